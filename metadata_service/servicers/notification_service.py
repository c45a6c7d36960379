"""metadata.v1.NotificationService."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Final, TypeAlias

from grpc.aio import ServicerContext

from metadata_service.events.lookout import Lookout, Waiter
from metadata_service.events.metrics import WatchMetrics
from metadata_service.events.reader import EventReader
from metadata_service.events.wakeups import Waker
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal, current_writing, draining
from strongroom.errors import DeadlineExceeded, RateLimited, TokenExpired
from strongroom.metadata.v1 import notification_service_pb2 as pb
from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceServicer

Context: TypeAlias = "ServicerContext[pb.WatchRequest, pb.WatchResponse]"

HEARTBEAT_SECONDS: Final = 15.0


class NotificationServicer(NotificationServiceServicer):
    """Streams events. Nothing is buffered: a reader that takes too long over one message is dropped."""

    def __init__(
        self, reader: EventReader, waker: Waker, lookout: Lookout, metrics: WatchMetrics | None = None
    ) -> None:
        self._metrics = metrics or WatchMetrics()
        self._reader = reader
        self._waker = waker
        self._lookout = lookout

    async def Watch(self, request: pb.WatchRequest, context: Context) -> None:  # type: ignore[override]
        owner = effective_owner(current_principal(), request.user_id)
        expires = current_principal().expires
        position = await self._reader.start(owner, request.resume_token)
        waiter, leaving = Waiter(owner, position), draining()
        live = False
        with (
            self._waker.waiting(owner, waiter.woken),
            _told(leaving, waiter.woken),
            self._metrics.watching(),
        ):
            await _send(context, pb.WatchResponse(resume_token=position.token()))
            while not leaving.is_set():
                _left(expires)
                waiter.woken.clear()
                events, waiter.position = await self._reader.after(owner, waiter.position)
                for event in events:
                    self._metrics.sending(event, live=live)
                    await _send(context, pb.WatchResponse(event=event))
                if not events:
                    live = True
                    await self._next(waiter, context, expires)

    async def _next(self, waiter: Waiter, context: Context, expires: float) -> None:
        """Until woken; with a heartbeat for every while of silence. Raises TokenExpired."""
        with self._lookout.waiting(waiter):
            while True:
                try:
                    async with asyncio.timeout(min(HEARTBEAT_SECONDS, _left(expires))):
                        await waiter.woken.wait()
                        return
                except TimeoutError:
                    _left(expires)
                    await _send(context, pb.WatchResponse(resume_token=waiter.position.token()))


def _left(expires: float) -> float:
    """Seconds until ``expires``. Raises TokenExpired: what goes on for ever can't be decided once."""
    left = expires - time.time()
    if left <= 0:
        raise TokenExpired(
            "The token of this stream has expired; connect again with a new one and the id of the last event."
        )
    return left


@contextlib.contextmanager
def _told(leaving: asyncio.Event, woken: asyncio.Event) -> Iterator[None]:
    """Set ``woken`` once ``leaving`` is set."""

    async def tell() -> None:
        await leaving.wait()
        woken.set()

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()


async def _send(context: Context, response: pb.WatchResponse) -> None:
    try:
        await current_writing().write(context, response)
    except DeadlineExceeded:
        raise RateLimited(
            "the reader is too slow; connect again with the id of the last event as resume_token",
            retry_after=1.0,
            metadata={"limit": "watch_backlog"},
        ) from None
