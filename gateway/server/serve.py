"""Runs the application under uvicorn until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from gateway.config import GatewaySettings
from gateway.http.draining import Draining
from gateway.metrics import Metrics
from gateway.server.connection_table import ConnectionTable, with_table
from gateway.server.pace import ConnectionLimits
from gateway.server.protocol import GuardedProtocol
from gateway.server.websocket_protocol import GuardedWebSocket
from servicekit.net import is_loopback, join_address, split_address
from servicekit.serving.certificates import read_pair
from servicekit.settings import SettingError

BACKLOG = 2048
#: How long clients have to take the answer that a request was cut. Seconds.
CUT_SECONDS = 3


class PortTaken(Exception):
    """The address can't be bound; ``str()`` is one line that says what to do."""


@dataclass(frozen=True)
class DrainTimes:
    """Seconds: how long the listener stays open after the signal, and requests may go on after that."""

    pause: float
    drain: float


class GatewayServer(Server):
    """uvicorn's server, with its own signals and a look at every connection once a second.

    ``hears_signals``: False where somebody else does, and calls ``stop``.
    """

    hears_signals = True

    def __init__(self, config: Config, metrics: Metrics, draining: Draining, times: DrainTimes) -> None:
        super().__init__(config)
        self._metrics = metrics
        self._draining = draining
        self._times = times

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's clock, ten times a second."""
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol | GuardedWebSocket):
                    connection.overdue(now)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT begin the drain; unlike uvicorn's, the process then ends with its exit code."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT) if self.hears_signals else ()
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Say that no more should come; after the pause stop accepting. Requests in progress get the drain
        time.
        """
        self._draining.begin()
        if self._times.pause:
            asyncio.get_running_loop().call_later(self._times.pause, setattr, self, "should_exit", True)
        else:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's; what is still running at the end of the drain time gets an answer first."""
        self._draining.end_streams()
        cutter = asyncio.get_running_loop().call_later(self._times.drain, self._draining.cut)
        try:
            await super().shutdown(sockets)
        finally:
            cutter.cancel()


def bind(settings: GatewaySettings, *, shared: bool = False) -> socket.socket:
    """A listening socket at ``http_bind``. ``shared``: further processes of this program listen there.

    :raises SettingError: no address. :raises PortTaken: it is taken, or not of this machine.
    """
    try:
        host, port = split_address(settings.http_bind)
    except ValueError as error:
        raise SettingError(
            "STRONGROOM_HTTP_BIND", f"{settings.http_bind!r} is not an address; {error}"
        ) from None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # With the protocol named, asyncio turns Nagle's algorithm off; otherwise each answer costs 40 ms.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingError(
            "STRONGROOM_HTTP_BIND", f"{host} is not an address of this machine ({error})"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise PortTaken(
            f"gateway: can't listen on {settings.http_bind}; another process has the port, or it is no"
            " address of this machine. Stop it or change STRONGROOM_HTTP_BIND."
        ) from None
    if not is_loopback(host) and settings.http_tls_cert is None:
        sys.stderr.write(
            f"gateway: {settings.http_bind} serves plain HTTP; put a proxy with TLS in front of it\n"
        )
    return listener


def make_server(
    app: ASGIApp, settings: GatewaySettings, metrics: Metrics, draining: Draining
) -> GatewayServer:
    """A server for ``app``; ``serve(sockets=[listener])`` runs it until ``stop`` or a signal.

    :raises SettingError: certificate or key can't be used.
    """
    if settings.http_tls_cert is not None and settings.http_tls_key is not None:
        read_pair(settings.http_tls_cert, settings.http_tls_key, ("http_tls_cert", "http_tls_key"))
    limits = ConnectionLimits.from_settings(settings)
    table = ConnectionTable(
        settings.max_connections, settings.address_connections, settings.trusted_proxies, metrics
    )
    config = Config(
        app,
        http=with_table(GuardedProtocol.with_limits(limits, metrics), table),
        ws=GuardedWebSocket.with_limits(limits, metrics),
        ws_max_size=64 * 1024,  # clients have nothing to say here
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        lifespan="on",
        interface="asgi3",
        loop="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(max(1, settings.keep_alive_seconds)),
        timeout_graceful_shutdown=int(settings.drain_seconds) + CUT_SECONDS,
        ssl_certfile=settings.http_tls_cert,
        ssl_keyfile=str(settings.http_tls_key) if settings.http_tls_key else None,
    )
    times = DrainTimes(settings.drain_pause_seconds, settings.drain_seconds)
    return GatewayServer(config, metrics, draining, times)


def address_of(listener: socket.socket) -> str:
    """``host:port`` with the real port."""
    host, port = listener.getsockname()[:2]
    return join_address(host, port)
