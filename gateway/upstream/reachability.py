"""Logs that a service can't be reached: from the start (a wrong address, a certificate of another authority
or name, TLS at one end only), or later. Requests get 503 meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

import structlog
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no types published

from gateway.upstream.call import Services
from servicekit.outages import Outage

#: Seconds until the log says so; services that start together with the gateway take that long.
PATIENCE_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 5.0
_NOT_REACHED: Final = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)

log = structlog.get_logger(__name__)


def told_of_services(
    services: Services, *, storage: bool = True, metadata: bool = True
) -> contextlib.AbstractAsyncContextManager[None]:
    """``told_of`` for those of the two services that are not in this process."""
    settings, wanted = services.settings, {}
    if storage:
        wanted["STRONGROOM_STORAGE_ADDRESS"] = settings.storage_address, services.storage.channel
    if metadata:
        wanted["STRONGROOM_METADATA_ADDRESS"] = settings.metadata_address, services.metadata.channel
    return told_of(wanted)


@contextlib.asynccontextmanager
async def told_of(services: Mapping[str, tuple[str, aio.Channel]]) -> AsyncIterator[None]:
    """Look for ``services`` while the block runs. ``services``: setting → (address, channel)."""
    looking = [asyncio.create_task(_keep_looking(setting, *at)) for setting, at in services.items()]
    try:
        yield
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


async def _keep_looking(setting: str, address: str, channel: aio.Channel) -> None:
    await look_for(setting, address, channel)
    await watch(address, channel)


async def watch(address: str, channel: aio.Channel, pause: float = WATCH_SECONDS) -> None:
    """Run until cancelled: log one line when ``address`` stops answering, and one when it answers again.

    Requests have log lines of their own that say the same.
    """
    outage = Outage("service_gone", "service_reached_again", address=address)
    while True:
        await asyncio.sleep(pause)
        if (why := await _obstacle(channel)) is None:
            outage.well()
        else:
            outage.failed("away", error=why)


async def look_for(
    setting: str, address: str, channel: aio.Channel, patience: float = PATIENCE_SECONDS
) -> None:
    """Return when ``address`` answers. Log one line if it has not within ``patience`` seconds, and then one
    when it does.
    """
    clock = asyncio.get_running_loop().time
    speaks_at: float | None = clock() + patience
    while (why := await _obstacle(channel)) is not None:
        if speaks_at is not None and clock() >= speaks_at:
            speaks_at = None
            log.error(
                "service_away",
                address=address,
                error=why,
                advice=f"start what should answer there, or correct {setting}; with TLS, STRONGROOM_TLS_CA is"
                " the authority of its certificate, which is made out for the host in the address, and TLS"
                " is on at both ends or at none",
            )
        await asyncio.sleep(AGAIN_SECONDS)
    if speaks_at is None:
        log.info("service_reached", address=address)


async def _obstacle(channel: aio.Channel) -> str | None:
    """The error of gRPC if the service can't be reached; None if it gives any answer."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS)
    except aio.AioRpcError as error:
        if error.code() in _NOT_REACHED:
            return error.details() or error.code().name
    return None
