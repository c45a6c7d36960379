"""Keeps the state of sessions in memory between two writes, so that the next write can continue directly.

A client that sends an upload in pieces comes back a moment later. Its next write keeps the epoch of the
previous one (no AcquireWriter) and the bytes of the part in progress (no reading back of segments). All of it
can be dropped at any time, because every byte is stored and recorded. State is kept only after a write that
ended well, so no request of its epoch is still on its way to the store.

If another process has taken the session over since, the first step of the next write finds out
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
"""Seconds that a HEAD waits after taking a session over. One whose last recording took longer is not kept.

The time between a recording and the next write is known only up to the duration of the recording. A write
that follows a HEAD begins later than that, so it is always recognised as the newer one.
"""
MOST: Final = 1024
"""How many sessions are kept."""

SHARE: Final = 4
"""Kept bytes take at most 1/``SHARE`` of the memory for bodies, and none while other requests wait for it."""


class Tail:
    """Bytes of the part in progress, all of them persisted; ``size`` of them are reserved in the budget."""

    def __init__(
        self, chunks: Sequence[Chunk] = (), size: int = 0, released: Callable[[int], None] | None = None
    ) -> None:
        self.chunks = chunks
        self.size = size
        self._released = released

    def give_back(self) -> None:
        """Drop the bytes and release their memory. Further calls have no effect."""
        size, self.size, self.chunks = self.size, 0, ()
        if size and self._released is not None:
            self._released(size)


@dataclass(slots=True)
class Kept:
    """A session after its last write, which ``subject`` made."""

    session: Session
    subject: str
    tail: Tail
    answered_at: float
    """When the recording of its last bytes was answered, in seconds of ``time.monotonic()``."""

    def continuation(self) -> Continuation:
        """Return what the first step of the next write sends."""
        idle = time.monotonic() - self.answered_at
        return Continuation(
            expire_time=self.session.expire_time,
            persisted_size=self.session.persisted_size,
            prefix_crc32c=self.session.prefix_crc32c,
            multipart_upload_id=self.session.blob.upload_id,
            idle_microseconds=int(idle * 1e6),
        )


class KeptSessions:
    """Kept sessions by upload_id, oldest first. One instance per process and event loop."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._held = 0
        self._sweeping: asyncio.TimerHandle | None = None
        budget.when_short = self.forget_bytes

    def keep(
        self, session: Session, subject: str, chunks: Sequence[Chunk], *, asked_at: float, answered_at: float
    ) -> None:
        """Keep a session after a write. ``chunks``: the bytes of its part in progress.

        ``asked_at`` and ``answered_at``: times around its last recording, in seconds of ``time.monotonic()``;
        0: there was none.
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
        """Return the kept state, or None. The caller has to give its bytes back."""
        kept = self._kept.pop(upload_id, None)
        if kept is not None and (kept.subject != subject or _old(kept)):
            kept.tail.give_back()
            return None
        return kept

    def forget(self, upload_id: str) -> None:
        """Drop the state of a session that another process or nobody continues."""
        kept = self._kept.pop(upload_id, None)
        if kept is not None:
            kept.tail.give_back()

    def forget_bytes(self) -> None:
        """Drop all bytes, because memory is short."""
        for kept in self._kept.values():
            kept.tail.give_back()

    def close(self) -> None:
        """Drop everything, because no more writes will come."""
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
