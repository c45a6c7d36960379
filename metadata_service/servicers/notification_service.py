"""metadata.v1.NotificationService."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

from grpc.aio import ServicerContext

from metadata_service.waking import Waking
from metadata_service.watching import Watching
from servicekit.context import current_principal, draining
from servicekit.principal import effective_owner
from strongroom.errors import RateLimited
from strongroom.metadata.v1 import notification_service_pb2 as pb
from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceServicer

Context: TypeAlias = "ServicerContext[pb.WatchRequest, pb.WatchResponse]"

HEARTBEAT_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 3.0
SLOW_SECONDS: Final = 30.0


class NotificationServicer(NotificationServiceServicer):
    """Streams events. Nothing is buffered: a reader that takes too long over one message is dropped."""

    def __init__(self, watching: Watching, waking: Waking) -> None:
        self._watching = watching
        self._waking = waking

    async def Watch(self, request: pb.WatchRequest, context: Context) -> None:  # type: ignore[override]
        owner = effective_owner(current_principal(), request.user_id)
        position = await self._watching.start(owner, request.resume_token)
        silent, leaving = 0.0, draining()
        with self._waking.waiting(owner) as woken:
            await _send(context, pb.WatchResponse())
            while not leaving.is_set():
                woken.clear()
                events, position = await self._watching.after(owner, position)
                for event in events:
                    await _send(context, pb.WatchResponse(event=event))
                    silent = 0.0
                if events:
                    continue
                silent += await _wait(woken)
                if silent >= HEARTBEAT_SECONDS:
                    await _send(context, pb.WatchResponse())
                    silent = 0.0


async def _send(context: Context, response: pb.WatchResponse) -> None:
    try:
        await asyncio.wait_for(context.write(response), SLOW_SECONDS)
    except TimeoutError:
        raise RateLimited(
            "the reader is too slow; connect again with the id of the last event as resume_token",
            retry_after=1.0,
        ) from None


async def _wait(woken: asyncio.Event) -> float:
    """Until woken, a few seconds at the most; returns about how long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await asyncio.wait_for(woken.wait(), LOOK_SECONDS)
    except TimeoutError:
        return LOOK_SECONDS
    return loop.time() - began
