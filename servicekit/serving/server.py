"""The harness of a gRPC process: bind, limits, health, reflection, signals, drain.

A service's ``bootstrap`` builds a ``ServerSpec`` for ``run_server``; tests use ``serve_in_process``.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

import grpc
import structlog
from grpc import aio
from prometheus_client.registry import Collector

from servicekit import failpoints
from servicekit.auth.authenticator import Authenticator
from servicekit.background import Heartbeats
from servicekit.drain import Drain
from servicekit.inprocess import InProcessServer
from servicekit.interceptors import (
    OPEN_SERVICES,
    REFLECTION_SERVICES,
    AuthPolicy,
    build_interceptors,
)
from servicekit.interceptors.door import Door
from servicekit.limits import CapSettings, Limiter, make_limiter
from servicekit.net import check_bind, is_loopback, join_address
from servicekit.options import server_options
from servicekit.probes import Probe, Probes
from servicekit.serving import memory
from servicekit.serving.infra import Infra
from servicekit.serving.tls import server_credentials
from servicekit.settings import CommonSettings, SettingError
from servicekit.telemetry import process_metrics, tracing
from servicekit.telemetry.metrics_http import serve_metrics
from servicekit.telemetry.rpcs import Metrics, configure_logging, default_metrics
from strongroom.errors import StrongroomError
from strongroom.version import this_build

#: How long health watchers have to see NOT_SERVING before the listener closes, and again before their streams
#: are cut. Seconds.
CUT_AFTER: Final = 0.2
#: The name of the whole process in grpc.health.v1.
PROCESS: Final = ""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ServerSpec:
    """One gRPC process.

    ``name``: in logs and on the ready line (``metadata_service``). ``bind``: ``host:port``, port 0 for any;
    ``bind_setting``: its variable, for messages. ``add_services`` registers servicers and returns the full
    names of their services, for health and reflection; it is called inside ``lifespan``.
    ``internal_services``: prefixes of full service names that require the internal credential.
    ``open_services``: full names of those without a token (in addition to health and reflection).
    ``options``: channel arguments that override the harness's. ``probes``: dependencies by their health name.
    ``heartbeats``: the process's loops by their health name, also in metrics; filled inside ``lifespan`` at
    the latest. ``collectors``: more metrics of the service. ``limits``: caps and rates; None: there are none.
    ``serves``: asked every few seconds; while false, balancers see NOT_SERVING, and calls are still answered.
    ``drain``, ``inner_drain``: count the calls in progress from outside and inside of the process.
    """

    name: str
    bind: str
    add_services: Callable[[aio.Server], Sequence[str]]
    bind_setting: str = "the bind address"
    internal_services: Sequence[str] = ()
    open_services: Sequence[str] = ()
    options: Sequence[tuple[str, int | str]] = field(default=())
    probes: Mapping[str, Probe] = field(default_factory=dict)
    limits: CapSettings | None = None
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    serves: Probe | None = None
    drain: Drain = field(default_factory=Drain)
    inner_drain: Drain = field(default_factory=Drain)
    collectors: Sequence[Collector] = field(default=())


class PortTaken(Exception):
    """The address can't be bound; ``str()`` is one line that says what to do."""


class RunningServer:
    """A started server: ``address`` is ``host:port`` with the real port."""

    def __init__(self, settings: CommonSettings, spec: ServerSpec, metrics: Metrics) -> None:
        host, port = check_bind(settings, spec.bind_setting, spec.bind)
        self.spec = spec
        self.drain = spec.drain
        self._limiter: Limiter | None = None
        self.authenticator = Authenticator.from_settings(settings)
        seen_by_us = is_loopback(host) or settings.debug
        reflection = settings.reflection or ("open" if seen_by_us else "token")
        asked = REFLECTION_SERVICES if reflection == "token" else ()
        pipeline = partial(
            build_interceptors,
            authenticator=self.authenticator,
            metrics=metrics,
            policy=AuthPolicy(
                internal=tuple(spec.internal_services),
                open=(*(name for name in OPEN_SERVICES if name not in asked), *spec.open_services),
            ),
            send_idle_seconds=settings.send_idle_seconds,
            door=self._door(spec, metrics, max(1, settings.max_concurrent_rpcs // 2)),
        )
        self._server = aio.server(
            interceptors=pipeline(drain=self.drain, remote=True),
            options=server_options(settings, spec.options),
            maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
        )
        self._inner_drain = spec.inner_drain
        self.inside = InProcessServer(
            pipeline(drain=self._inner_drain), max_concurrent_rpcs=settings.max_concurrent_rpcs
        )
        self._infra = Infra(
            build=this_build(settings.commit), channelz=seen_by_us, reflection=reflection != "off"
        )
        self._probes = Probes({}, self._infra.report)
        for collector in (self._infra.dependencies, spec.heartbeats, *spec.collectors):
            metrics.registry.register(collector)
        self.address = join_address(host, self._bind(settings, host, port))

    def _door(self, spec: ServerSpec, metrics: Metrics, most_direct: int) -> Door | None:
        if spec.limits is None:
            return None
        self._limiter = make_limiter(spec.limits, metrics.registry)
        return Door(self._limiter, spec.limits, most_direct)

    def _bind(self, settings: CommonSettings, host: str, port: int) -> int:
        address = join_address(host, port)
        credentials = server_credentials(settings)
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            bound = 0
        if not bound:
            raise PortTaken(
                f"{self.spec.name}: can't listen on {address}; another process has the port, or it is"
                f" not an address of this machine. Stop it or change {self.spec.bind_setting}."
            )
        return bound

    @property
    def is_serving(self) -> bool:
        """The process's state in grpc.health.v1."""
        return self._infra.is_serving

    async def start(self) -> None:
        """Register services and accept calls."""
        # callers within this process get the same handlers and stages as external ones
        names = self.spec.add_services(cast("aio.Server", _Both(self._server, self.inside)))
        await self._infra.register(self._server, names)
        self._infra.add_health(self.inside)
        serves = {PROCESS: self.spec.serves} if self.spec.serves else {}
        probes = {**self.spec.probes, **self.spec.heartbeats.probes(), **serves}
        self._probes = Probes(probes, self._report)
        await self._probes.start()
        await self._server.start()
        await self.inside.start()

    async def _report(self, name: str, found: bool | str) -> None:
        if name == PROCESS:
            reason = found if isinstance(found, str) else ""
            await self._infra.serving(is_serving=found is True, reason=reason)
        else:
            await self._infra.report(name, found)

    async def stop(self, grace: float) -> None:
        """Leave, and end calls from within this process in the same way."""
        await self.leave(grace)
        await self.aclose(grace)

    async def leave(self, grace: float) -> None:
        """Set NOT_SERVING, refuse new external calls, give those in progress ``grace`` seconds, then cut
        them. Callers within this process continue.
        """
        self.drain.begun.set()
        await self._probes.aclose()
        await self._infra.not_serving()
        if self.drain.cuttable:  # calls that arrive while gRPC closes its listener are cancelled
            await asyncio.sleep(min(CUT_AFTER, grace))
        stopping = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.sleep(min(CUT_AFTER, grace))
        cutter = asyncio.create_task(self._cut_when_idle())
        await stopping
        cutter.cancel()

    async def aclose(self, grace: float) -> None:
        """Give calls from within this process ``grace`` seconds, cut the rest, and release everything."""
        self._inner_drain.begun.set()
        await self.inside.stop(grace)
        await self.authenticator.aclose()
        if self._limiter is not None:
            await self._limiter.aclose()

    async def _cut_when_idle(self) -> None:
        await self.drain.idle()
        self.drain.cut()


class _Both:
    """Registers a service's handlers with two servers, like ``aio.Server`` does with one."""

    def __init__(self, *servers: aio.Server | InProcessServer) -> None:
        self._servers = servers

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """See ``aio.Server``."""
        handlers = tuple(generic_rpc_handlers)
        for server in self._servers:
            server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, _service_name: str, _method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Does nothing: the generic handlers are the same. The aio server waits on one task per registered
        method for each call, all of them new: with our 144, that was 76 of the 361 µs of CPU of the smallest
        call.
        """


@contextlib.asynccontextmanager
async def serve_in_process(
    spec: ServerSpec,
    settings: CommonSettings,
    lifespan: AbstractAsyncContextManager[object] | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[str]:
    """A real server inside the test's loop; yields its address. Bind to ``127.0.0.1:0``."""
    async with started_server(spec, settings, lifespan, metrics) as server:
        yield server.address


@contextlib.asynccontextmanager
async def started_server(
    spec: ServerSpec,
    settings: CommonSettings,
    lifespan: AbstractAsyncContextManager[object] | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[RunningServer]:
    """Like ``serve_in_process``, with the server itself: its ``inside`` takes calls without a network."""
    async with lifespan or nullcontext():
        server = RunningServer(settings, spec, metrics or Metrics())
        await server.start()
        try:
            yield server
        finally:
            await server.stop(grace=1.0)


async def run_server(
    settings: CommonSettings, spec: ServerSpec, lifespan: AbstractAsyncContextManager[object] | None = None
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Prints ``<name> listening on host:port`` once it accepts calls. The address is bound before ``lifespan``
    is entered, so that a taken port is found early; ``lifespan`` is left after the drain. 1: the address is
    taken.

    :raises SettingError: a setting is wrong; ``run`` turns it into one line and exit 2.
    """
    configure_logging(spec.name, settings.log_level)
    failpoints.check()
    try:
        server = RunningServer(settings, spec, default_metrics())
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.recorded(spec.name))
        await stack.enter_async_context(process_metrics.shown(default_metrics().registry, settings))
        if settings.metrics_bind:
            metrics = serve_metrics(settings.metrics_bind, default_metrics(), lambda: server.is_serving)
            log.info("metrics", url=f"http://{await stack.enter_async_context(metrics)}/metrics")
        await stack.enter_async_context(lifespan or nullcontext())
        asked = stop_signals()
        await server.start()
        memory.settle()
        sys.stdout.write(f"{spec.name} listening on {server.address}\n")
        sys.stdout.flush()
        await asked.wait()
        log.info("draining", grace=settings.drain_seconds)
        await server.stop(settings.drain_seconds)
    return 0


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    return asked


def run(main: Callable[[], Coroutine[Any, Any, int]], *refusals: type[Exception]) -> int:
    """Run ``main``, with uvloop if it is installed; returns the process's exit code.

    A wrong setting gives one line and 2. One of ``refusals`` is printed on standard error, with 1; another
    StrongroomError at the start (no database, no bucket) is one line in the log, with 1. Anything else is a
    bug: its stack is logged without credentials, with 1.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(main())
    except SettingError as error:
        sys.stderr.write(f"setting {error}\n")
        return 2
    except refusals as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except StrongroomError as error:
        log.error("the process can't go on", reason=error.reason_name, message=error.message)
        return 1
    except Exception:
        log.exception("the process failed")
        return 1


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, or None for asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - optional: not made for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
