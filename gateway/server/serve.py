"""Runs the application in uvicorn until it is stopped."""

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
from gateway.http.leaving import Draining
from gateway.metrics import Metrics
from gateway.server.connection_table import ConnectionTable, with_table
from gateway.server.pace import ConnectionLimits
from gateway.server.protocol import GuardedProtocol
from gateway.server.websocket_protocol import GuardedWebSocket
from servicekit.net import is_loopback, join_address, split_address
from servicekit.serving.tls import read_pair
from servicekit.settings import SettingError

BACKLOG = 2048
#: Seconds for clients to read the response to a request that was cut off.
CUT_SECONDS = 3


class PortTaken(Exception):
    """The address can't be bound; ``str()`` is one line that says what to do."""


@dataclass(frozen=True)
class DrainTimes:
    """Seconds: ``pause``, for which the listener stays open after the signal; ``drain``, for which requests
    may then go on.
    """

    pause: float
    drain: float


class GatewayServer(Server):
    """uvicorn's server with its own signal handling, and a check of every connection once a second.

    ``hears_signals``: False if another object handles signals and calls ``stop``.
    """

    hears_signals = True

    def __init__(self, config: Config, metrics: Metrics, draining: Draining, times: DrainTimes) -> None:
        super().__init__(config)
        self._metrics = metrics
        self._draining = draining
        self._times = times

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol | GuardedWebSocket):
                    connection.overdue(now)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Begin the drain at SIGTERM and SIGINT. Unlike with uvicorn, the process then exits with its own
        exit code.
        """
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
        """Announce that no more requests should come, and stop accepting after the pause. Requests in
        progress then have the drain time.
        """
        self._draining.begin()
        if self._times.pause:
            asyncio.get_running_loop().call_later(self._times.pause, setattr, self, "should_exit", True)
        else:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but requests still running at the end of the drain time get a response first."""
        self._draining.end_streams()
        cutter = asyncio.get_running_loop().call_later(self._times.drain, self._draining.cut)
        try:
            await super().shutdown(sockets)
        finally:
            cutter.cancel()


def bind(settings: GatewaySettings, *, shared: bool = False) -> socket.socket:
    """A listening socket at ``http_bind``. ``shared``: other processes of this program listen there, too.

    :raises SettingError: it is not an address.
    :raises PortTaken: the port is taken, or the address is not of this machine.
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
        # asyncio turns off Nagle's algorithm only if the protocol is given; with it each response takes 40 ms
        # longer.
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
            f"gateway: can't listen on {settings.http_bind}; another process has the port, or it is"
            " not an address of this machine. Stop it or change STRONGROOM_HTTP_BIND."
        ) from None
    if not is_loopback(host) and settings.http_tls_cert is None:
        sys.stderr.write(
            f"gateway: {settings.http_bind} serves plain HTTP; put a proxy with TLS in front of it\n"
        )
    return listener


def make_server(
    app: ASGIApp, settings: GatewaySettings, metrics: Metrics, draining: Draining
) -> GatewayServer:
    """A server for ``app``. ``serve(sockets=[listener])`` runs it until ``stop`` or a signal.

    :raises SettingError: the certificate or key can't be used.
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
        ws_max_size=64 * 1024,  # clients have nothing to send
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
    """``host:port`` with the actual port."""
    host, port = listener.getsockname()[:2]
    return join_address(host, port)
