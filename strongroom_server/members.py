"""The services of one process: each a task with its own context variables, started, drained, closed in turn.

A member leaves in two steps. First its own door closes: callers from outside hear NOT_SERVING, and those in
progress have the drain time. What the other members of the process still ask of it, it answers until it is
told to close: nobody who drains finds the service behind it gone.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from gateway.app import build_app
from gateway.bootstrap import open_services
from gateway.metrics import Metrics
from gateway.server.serve import make_server
from gateway.upstream.reaching import told_of_services
from servicekit.inprocess import InProcessServer
from servicekit.serving.server import RunningServer
from servicekit.telemetry.logs import name_service
from strongroom_server.listening import Door

#: What calls between the services have left once their callers are gone. Seconds.
CLOSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Member:
    """One service while it runs. ``name``: as its log lines have it."""

    def __init__(self, name: str, live: Callable[[Member], Awaitable[None]]) -> None:
        self.name = name
        self.leaving = asyncio.Event()
        self.closing = asyncio.Event()
        self._started = asyncio.Event()
        self._live = live
        # An empty context: nothing of one service's requests or logs reaches another one.
        self.task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    async def _run(self) -> None:
        name_service(self.name)
        await self._live(self)

    def serving(self) -> None:
        """To be called by the service once it accepts calls."""
        self._started.set()

    async def started(self) -> None:
        """Return once it serves. Raises what it has failed with."""
        started = asyncio.ensure_future(self._started.wait())
        await asyncio.wait({started, self.task}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if not self._started.is_set():
            await self.task
            raise RuntimeError(f"{self.name} ended before it served")

    async def close(self) -> None:
        """Let it end; returns when it has. Raises what it has failed with."""
        self.leaving.set()
        self.closing.set()
        await self.task


def grpc_member(
    server: RunningServer, lifespan: AbstractAsyncContextManager[object], drain_seconds: float
) -> Member:
    """A gRPC service: ``lifespan`` is around it."""

    async def live(member: Member) -> None:
        async with lifespan:
            await server.start()
            member.serving()
            try:
                await member.leaving.wait()
                log.info("draining", grace=drain_seconds)
                await server.leave(drain_seconds)
                await member.closing.wait()
            finally:
                await server.aclose(CLOSE_SECONDS)

    return Member(server.spec.name, live)


def gateway_member(
    door: Door,
    *,
    storage_service: InProcessServer | None,
    metadata_service: InProcessServer | None,
    opened: Callable[[Metrics], object],
    is_drained: Callable[[], bool],
) -> Member:
    """The gateway behind ``door``. ``opened`` is told its metrics. While ``is_drained`` its health says that
    no more requests should come.
    """

    async def live(member: Member) -> None:
        services = open_services(
            door.settings, storage_service=storage_service, metadata_service=metadata_service
        )
        async with services as found:
            opened(found.metrics)
            found.draining.is_drained = is_drained
            server = make_server(build_app(found), door.settings, found.metrics, found.draining)
            server.hears_signals = False
            away = told_of_services(found, storage=storage_service is None, metadata=metadata_service is None)
            serving = asyncio.create_task(server.serve(sockets=[door.listener]))
            member.serving()
            leaving = asyncio.create_task(member.leaving.wait())
            try:
                async with away:
                    await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
                server.stop()
                await serving
            finally:
                leaving.cancel()
                serving.cancel()

    return Member("gateway", live)
