"""The writer of each session in this process. The newest request replaces an older one at once.

Between processes only the epoch decides: an older writer's next commit fails. Within a process the older
writer is stopped first, and what it has received is persisted before the newer one begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from servicekit import context
from storage_service.sessions.kept import KeptSessions
from strongroom.errors import DeadlineExceeded, ServiceUnavailable, StrongroomError

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
"""Seconds that a request waits for the older writer to persist its bytes. After that the epoch shuts
it out.
"""

TURN_SECONDS = 8.5
"""Seconds for the wait for a turn and the calls to metadata_service in it, together.

So a request that waits behind others, whose calls hang, gets an answer in time.
"""
RETRY_SECONDS = 1.0


@dataclass(slots=True)
class Entry:
    """One writer: the task that reads its stream, and the work after the reading has ended."""

    reader: asyncio.Task[Any]
    preempted: bool = False
    reading: bool = True
    finishing: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def preempt(self) -> None:
        """Stop the reading. Received bytes are still persisted."""
        if self.reading and not self.preempted:
            self.preempted = True
            self.reader.cancel()


@dataclass(slots=True)
class _Turns:
    """``lock`` is given in order of arrival; ``users`` hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Registry:
    """Writers by upload_id. One instance per process."""

    def __init__(self, kept: KeptSessions) -> None:
        self._kept = kept
        self._writers: dict[str, Entry] = {}
        self._turns: dict[str, _Turns] = {}
        self._background: set[asyncio.Task[Any]] = set()

    def finishing(self, upload_id: str) -> bool:
        """Whether this process finishes the upload, or persists the last bytes of a writer."""
        entry = self._writers.get(upload_id)
        return entry is not None and entry.finishing

    @asynccontextmanager
    async def turn(self, upload_id: str, *, writes: bool = False) -> AsyncIterator[None]:
        """Take turns: inside the block the older writer is stopped and its bytes are persisted.

        Its kept state is dropped unless the block ``writes``. Calls to other services inside the block end
        TURN_SECONDS after the wait began.

        :raises ServiceUnavailable: the turn did not come in time, or left no time for such a call.
        """
        turns = self._turns.setdefault(upload_id, _Turns())
        turns.users += 1
        left = context.remaining()
        try:
            with context.within(TURN_SECONDS):
                await _come_in(turns.lock)
                try:
                    await self.stop_writer(upload_id)
                    if not writes:
                        self._kept.forget(upload_id)
                    yield
                finally:
                    turns.lock.release()
        except DeadlineExceeded as error:
            if left is not None and left <= TURN_SECONDS:  # the caller's own deadline
                raise
            raise _busy() from error
        finally:
            turns.users -= 1
            if not turns.users:
                del self._turns[upload_id]

    async def stop_writer(self, upload_id: str) -> None:
        """Stop the current writer, if any, and wait until its received bytes are persisted."""
        entry = self._writers.get(upload_id)
        if entry is None:
            return
        entry.preempt()
        left = context.remaining()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if left is None else min(PATIENCE_SECONDS, left)):
                await entry.closed.wait()
        except TimeoutError:
            log.warning("writer_slow_to_stop")

    def enter(self, upload_id: str) -> Entry:
        """Register the current task as the session's writer."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("writers run in tasks")
        entry = Entry(task)
        self._writers[upload_id] = entry
        return entry

    def leave(self, upload_id: str, entry: Entry) -> None:
        """Unregister a writer whose work is done."""
        entry.closed.set()
        if self._writers.get(upload_id) is entry:
            del self._writers[upload_id]

    def in_background(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task that continues when the caller that waits for it is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    async def aclose(self) -> None:
        """Wait for the background tasks."""
        await asyncio.gather(*self._background, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StrongroomError):  # raised to the caller that waits, if there is one
            log.info("session_work_failed", task=task.get_name(), error=error.reason_name)
        elif error is not None:
            log.error("session_work_failed", task=task.get_name(), exc_info=error)


async def _come_in(lock: asyncio.Lock) -> None:
    try:
        async with asyncio.timeout(context.remaining()):
            await lock.acquire()
    except TimeoutError:
        raise _busy() from None


def _busy() -> ServiceUnavailable:
    return ServiceUnavailable(
        "Other requests of this upload are still waiting for an answer; try again.",
        metadata={"service": "storage_service"},
        retry_after=RETRY_SECONDS,
    )
