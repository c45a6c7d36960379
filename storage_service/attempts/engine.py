"""The frame of every write, be it of an attempt, a session or a save.

    reserve → hold: a renewed lease around the bytes → commit until its outcome is known

Whatever fails before the commit gives the write up; the cleaner removes what it wrote. When the outcome of
the commit is unknown nothing is compensated (rule R4): the commit is repeated, and a repeat of the request
with the same request_id gets the answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from storage_service.attempts.lease import LeaseKeeper
from storage_service.attempts.versioning import VersioningGate
from storage_service.objectstore.translation import translated
from strongroom.errors import (
    BucketNotVersioned,
    DatabaseUnavailable,
    DeadlineExceeded,
    ServiceUnavailable,
    StrongroomError,
)
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec

log = structlog.get_logger(__name__)

T = TypeVar("T")

UNKNOWN_OUTCOME: Final = (ServiceUnavailable, DatabaseUnavailable, DeadlineExceeded)
TRIES: Final = 6
#: No try begins later than this after the first one. Seconds; a try takes ``STEP_SECONDS`` at the most, so
#: that the caller hears within ten seconds.
PATIENCE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes: an attempt, or a save with all of its attempts.

    ``name``: how the log tells it (``{"blob_id": …}``). ``renew`` returns the lease in seconds from now and
    raises UploadSuperseded; ``abandon`` ends the write without a result. ``patience``: so long an error waits
    for that, so that who gets it may try again at once.
    """

    name: Mapping[str, str]
    renew: Callable[[], Awaitable[float]]
    abandon: Callable[[], Awaitable[None]]
    patience: float = 0.0


class WriteEngine:
    """Holds writes; one instance per process."""

    def __init__(
        self, gate: VersioningGate, *, lease_seconds: float, wake_cleaner: Callable[[], None]
    ) -> None:
        self.gate = gate
        self.wake_cleaner = wake_cleaner
        self._lease_seconds = lease_seconds
        self._giving_up: set[asyncio.Task[None]] = set()

    def lease(self, holder: Holder) -> LeaseKeeper:
        """``async with``: the lease is renewed. See LeaseKeeper."""
        return LeaseKeeper(holder.renew, self._lease_seconds, holder.name)

    @asynccontextmanager
    async def hold(self, holder: Holder) -> AsyncIterator[None]:
        """The lease is renewed inside, and whatever is raised there gives the write up. StoreErrors leave it
        as StrongroomErrors.
        """
        try:
            async with self.lease(holder):
                with translated():
                    yield
        except BaseException as error:
            if isinstance(error, BucketNotVersioned):
                self.gate.distrust()
            await self._give_up_after(holder, error)
            raise

    async def commit(self, holder: Holder, step: Callable[[], Awaitable[T]]) -> T:
        """The answer of ``step`` (T4, CommitSave), repeated while its outcome is unknown; what it refuses is
        given up. Raises as ``until_known``.
        """
        try:
            return await until_known(step)
        except UNKNOWN_OUTCOME:
            raise
        except StrongroomError as error:
            await self._give_up_after(holder, error)
            raise

    def give_up(self, holder: Holder) -> None:
        """In the background: a cancelled caller must not wait for it, nor cut it short."""
        _ = self._abandoning(holder)  # ``_giving_up`` keeps it

    async def aclose(self) -> None:
        """Wait for writes that are being given up."""
        await asyncio.gather(*self._giving_up, return_exceptions=True)

    def _abandoning(self, holder: Holder) -> asyncio.Task[None]:
        task = asyncio.create_task(self._abandon(holder), name=f"abandon {holder.name}")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)
        return task

    async def _give_up_after(self, holder: Holder, error: BaseException) -> None:
        task = self._abandoning(holder)
        if holder.patience and isinstance(error, Exception):
            await asyncio.wait({task}, timeout=holder.patience)

    async def _abandon(self, holder: Holder) -> None:
        try:
            await holder.abandon()
        except StrongroomError as error:  # its lease will run out
            log.warning("abandon_failed", **holder.name, reason=error.reason_name)
        except Exception:
            log.exception("abandon_failed", **holder.name)
        else:
            self.wake_cleaner()


async def until_known(step: Callable[[], Awaitable[T]]) -> T:
    """The answer of ``step``, which may be repeated: a repeat answers the same. Rule R4, for as long as the
    caller can wait.

    Raises what it raises; one of ``UNKNOWN_OUTCOME`` only when the last try did, too.
    """
    began = time.monotonic()
    for number in range(TRIES):
        pause = 0.1 * 2**number
        try:
            return await step()
        except UNKNOWN_OUTCOME:
            if number + 1 == TRIES or time.monotonic() - began + pause > PATIENCE_SECONDS:
                raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable: the last try returns or raises")


def first_cause(group: BaseExceptionGroup) -> BaseException:
    """The failure that made a task group end; the others are its echoes."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def fingerprint(request: UploadSpec | BeginSaveRequest, *more: str, kind: str = "") -> bytes:
    """SHA-256 of everything that makes two requests the same, except the request id and the bytes."""
    same = type(request)()
    same.CopyFrom(request)  # type: ignore[arg-type]  # both are of one type
    same.ClearField("request_id")
    digest = hashlib.sha256(f"{kind}\0".encode() if kind else b"")
    digest.update(same.SerializeToString(deterministic=True))
    for text in more:
        digest.update(b"\0" + text.encode())
    return digest.digest()
