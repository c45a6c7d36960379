"""What this process remembers between two writes of a session: the next one goes on from there.

A client that sends an upload in pieces comes back a moment later. Its next write keeps the epoch of the one
before (no AcquireWriter), and the bytes of the part under way (no reading back of segments). Nothing here is
needed: every byte of it is in the store and recorded, so it is forgotten at will. Only a write that has ended
well leaves something here, so no request of that epoch is still on its way to the store.

Whether another process has taken the session since, the first step of the next write finds out
(`Continuation`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from storage_service.attempts.budget import ByteBudget
from storage_service.objectstore.values import Chunk
from strongroom.metadata.v1.upload_session_service_pb2 import Continuation, Session

KEEP_SECONDS: Final = 5.0
TELL_SECONDS: Final = 0.1
"""A HEAD that has taken a session over waits so long before it tells the offset, and only what was recorded
in less time is remembered: how long after the recording a write began is known up to the time that the
answer took, so a write that follows the HEAD is always known to be the newer one.
"""
MOST: Final = 1024
"""So many sessions are remembered."""

SHARE: Final = 4
"""Their bytes take one such part of the memory for bodies, and none while somebody waits for it."""


class Tail:
    """Bytes of the part under way, all of them persisted; ``size`` of them are reserved of the budget."""

    def __init__(
        self, chunks: Sequence[Chunk] = (), size: int = 0, released: Callable[[int], None] | None = None
    ) -> None:
        self.chunks = chunks
        self.size = size
        self._released = released

    def give_back(self) -> None:
        """Hold them no longer; once or more often."""
        size, self.size, self.chunks = self.size, 0, ()
        if size and self._released is not None:
            self._released(size)


@dataclass(slots=True)
class Kept:
    """A session as its last write has left it, for whoever (``subject``) made that write."""

    session: Session
    subject: str
    tail: Tail
    answered_at: float
    """When the recording of its last bytes was answered, seconds of ``time.monotonic()``."""

    def continuation(self) -> Continuation:
        """For the first step of the write that begins now."""
        idle = time.monotonic() - self.answered_at
        return Continuation(
            expire_time=self.session.expire_time,
            persisted_size=self.session.persisted_size,
            prefix_crc32c=self.session.prefix_crc32c,
            multipart_upload_id=self.session.blob.upload_id,
            idle_microseconds=int(idle * 1e6),
        )


class KeptSessions:
    """By upload_id, the oldest first; one instance per process and event loop."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._held = 0
        self._sweeping: asyncio.TimerHandle | None = None
        budget.when_short = self.forget_bytes

    def keep(
        self, session: Session, subject: str, chunks: Sequence[Chunk], *, asked_at: float, answered_at: float
    ) -> None:
        """Remember a session whose write has ended; ``chunks`` are the bytes of its part under way. The times
        are those of its last recording, seconds of ``time.monotonic()``; 0: it has recorded nothing.
        """
        if not answered_at or answered_at - asked_at > TELL_SECONDS:
            return
        size = sum(len(chunk) for chunk in chunks)
        fits = self._held + size <= self._budget.total // SHARE and self._budget.try_acquire(size)
        tail = Tail(chunks, size, self._release) if fits else Tail()
        self._held += tail.size
        self._kept[session.upload_id] = Kept(session, subject, tail, answered_at)
        if len(self._kept) > MOST:
            self.forget(next(iter(self._kept)))
        if self._sweeping is None:
            self._sweep_later()

    def take(self, upload_id: str, subject: str) -> Kept | None:
        """What is remembered of it; its bytes are the caller's to give back."""
        kept = self._kept.pop(upload_id, None)
        if kept is not None and (kept.subject != subject or _old(kept)):
            kept.tail.give_back()
            return None
        return kept

    def forget(self, upload_id: str) -> None:
        """Somebody else goes on with it, or nobody."""
        kept = self._kept.pop(upload_id, None)
        if kept is not None:
            kept.tail.give_back()

    def forget_bytes(self) -> None:
        """Memory is short."""
        for kept in self._kept.values():
            kept.tail.give_back()

    def close(self) -> None:
        """Nobody writes any more."""
        for upload_id in list(self._kept):
            self.forget(upload_id)
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _release(self, size: int) -> None:
        self._held -= size
        self._budget.release(size)

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        while self._kept and _old(next(iter(self._kept.values()))):
            self.forget(next(iter(self._kept)))
        if self._kept:
            self._sweep_later()


def _old(kept: Kept) -> bool:
    return time.monotonic() - kept.answered_at >= KEEP_SECONDS
