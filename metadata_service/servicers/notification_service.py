"""metadata.v1.NotificationService."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from grpc.aio import ServicerContext

from metadata_service.events.lookout import LOOK_SECONDS, Lookout, Waiter
from metadata_service.events.metrics import WatchMetrics
from metadata_service.events.reader import EventReader
from metadata_service.events.wakeups import EVERYBODY, Waker
from metadata_service.webhooks.targets import PROGRESS, checked, family_of
from servicekit.auth.principal import effective_owner, only_admins
from servicekit.context import current_principal, current_writing, draining
from strongroom.errors import DeadlineExceeded, RateLimited, TokenExpired
from strongroom.metadata.v1 import notification_service_pb2 as pb
from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceServicer

Context: TypeAlias = "ServicerContext[pb.WatchRequest, pb.WatchResponse]"
ContextOfAll: TypeAlias = "ServicerContext[pb.WatchAllRequest, pb.WatchAllResponse]"

HEARTBEAT_SECONDS: Final = 15.0


class NotificationServicer(NotificationServiceServicer):
    """Streams events. Nothing is buffered: a reader that takes too long to read a message is disconnected."""

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
                events, position = await self._reader.after(owner, waiter.position)
                if events:
                    waiter.reach(position)
                for event in events:
                    self._metrics.sending(event, live=live)
                    await _send(context, pb.WatchResponse(event=event))
                if not events:
                    live = True
                    await self._next(waiter, context, expires)

    async def _next(self, waiter: Waiter, context: Context, expires: float) -> None:
        """Wait until woken; send a heartbeat after each HEARTBEAT_SECONDS of silence. Raises TokenExpired."""
        with self._lookout.waiting(waiter):
            while True:
                try:
                    async with asyncio.timeout(min(HEARTBEAT_SECONDS, _left(expires))):
                        await waiter.woken.wait()
                        return
                except TimeoutError:
                    _left(expires)
                    await _send(context, pb.WatchResponse(resume_token=waiter.resume_token()))

    async def WatchAll(self, request: pb.WatchAllRequest, context: ContextOfAll) -> None:  # type: ignore[override]
        expires = current_principal().expires
        only_admins(current_principal(), "watch the events of all users")
        wanted = _Wanted.of(request)
        waiter = Waiter(EVERYBODY, await self._reader.start(EVERYBODY, request.resume_token))
        woken, leaving, silent_since, live = waiter.woken, draining(), time.monotonic(), False
        with self._waker.waiting(EVERYBODY, woken), _told(leaving, woken), self._metrics.watching():
            await _send(context, pb.WatchAllResponse(resume_token=waiter.position.token()))
            while not leaving.is_set():
                _left(expires)
                woken.clear()
                events, position, some = await self._reader.all_after(waiter.position, wanted)
                if some:
                    waiter.reach(position)
                for event in events:
                    self._metrics.sending(event, live=live)
                    await _send(context, pb.WatchAllResponse(event=event))
                    silent_since = time.monotonic()
                live = live or not some
                if time.monotonic() - silent_since >= HEARTBEAT_SECONDS:
                    silent_since = time.monotonic()
                    await _send(context, pb.WatchAllResponse(resume_token=waiter.resume_token()))
                if not some:  # look again soon: a NOTIFY can be lost, or come too early
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(LOOK_SECONDS, _left(expires))):
                            await woken.wait()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The filter of a watcher of all users' events."""

    types: frozenset[int]
    families: frozenset[str]
    users: frozenset[str]

    @classmethod
    def of(cls, request: pb.WatchAllRequest) -> Self:
        """The filter of a request. Raises InvalidField."""
        types, families = checked(request.types, request.families, "")
        return cls(frozenset(types), frozenset(families), frozenset(request.user_ids))

    def __call__(self, event: pb.Event) -> bool:
        if self.types and event.type not in self.types:
            return False
        if not self.types and event.type in PROGRESS:
            return False
        if self.users and event.user_id not in self.users:
            return False
        return not self.families or family_of(event) in self.families


def _left(expires: float) -> float:
    """Seconds until ``expires``. Raises TokenExpired: an endless stream can't rely on a single check."""
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


async def _send(context: Any, response: pb.WatchResponse | pb.WatchAllResponse) -> None:
    try:
        await current_writing().write(context, response)
    except DeadlineExceeded:
        raise RateLimited(
            "the reader is too slow; connect again with the id of the last event as resume_token",
            retry_after=1.0,
            metadata={"limit": "watch_backlog"},
        ) from None
