"""The services of one process: each is a task with its own context variables; they start, drain and stop in
turn.

A member leaves in two steps. First it closes its own listener: external callers see NOT_SERVING, and calls in
progress get the drain time. It still answers the other members of the process until ``close``, so a service
that a draining member needs is always there.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from gateway.app import build_app
from gateway.bootstrap import open_services
from gateway.config import GatewaySettings
from gateway.metrics import Metrics
from gateway.server.serve import bind, make_server
from gateway.upstream.reachability import told_of_services
from servicekit.inprocess import InProcessServer
from servicekit.serving.server import RunningServer
from servicekit.telemetry.logs import name_service
from strongroom_server.targets import Share

#: Time for calls between the services after their external callers are gone. Seconds.
CLOSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Member:
    """One running service. ``name``: as in its log lines."""

    def __init__(self, name: str, live: Callable[[Member], Awaitable[None]]) -> None:
        self.name = name
        self.leaving = asyncio.Event()
        self.closing = asyncio.Event()
        self._started = asyncio.Event()
        self._live = live
        # an empty context: no request data or log fields of one service reach another
        self.task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    async def _run(self) -> None:
        name_service(self.name)
        await self._live(self)

    def serving(self) -> None:
        """Called by the service once it accepts calls."""
        self._started.set()

    async def started(self) -> None:
        """Wait until the service serves. Raises the error with which it failed."""
        started = asyncio.ensure_future(self._started.wait())
        await asyncio.wait({started, self.task}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if not self._started.is_set():
            await self.task
            raise RuntimeError(f"{self.name} ended before it served")

    async def close(self) -> None:
        """Close the service and wait for its end. Raises the error with which it failed."""
        self.leaving.set()
        self.closing.set()
        await self.task


def grpc_member(
    server: RunningServer, lifespan: AbstractAsyncContextManager[object], drain_seconds: float
) -> Member:
    """A gRPC service inside its ``lifespan``."""

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


class Door:
    """The gateway's settings and its socket, bound before anything is started: a taken address is reported
    early.
    """

    def __init__(self, settings: GatewaySettings, share: Share) -> None:
        self.settings = settings
        self.listener: socket.socket = bind(settings, shared=share.shared)


def gateway_member(
    door: Door,
    *,
    storage_service: InProcessServer | None,
    metadata_service: InProcessServer | None,
    opened: Callable[[Metrics], object],
    is_drained: Callable[[], bool],
) -> Member:
    """The gateway behind ``door``.

    :param opened: called with its metrics.
    :param is_drained: if true, its health check says that no more requests should come.
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
