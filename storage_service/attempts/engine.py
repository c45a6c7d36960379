"""The protocol around every write, whether of an attempt, a session or a save.

    reserve → hold: renew the lease while bytes are sent → commit until the outcome is known

A failure before the commit gives the write up, and the cleaner removes what it wrote. When the outcome of the
commit is unknown nothing is undone (rule R4): the commit is repeated, and a repeat of the request with the
same request_id gets its answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

import structlog

from servicekit import failpoints
from servicekit.outages import Outage
from servicekit.probes import stopping
from storage_service.attempts.versioning import VersioningGate
from storage_service.failing_items import FailingItems
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.objectstore.errors import StoreError, to_strongroom
from strongroom.errors import (
    BucketNotVersioned,
    DatabaseUnavailable,
    DeadlineExceeded,
    IdempotencyKeyReused,
    ServiceUnavailable,
    StrongroomError,
    Unimplemented,
    UploadSuperseded,
)
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest
from strongroom.metadata.v1.reservation_service_pb2 import (
    CommitRequest,
    GetAnswerRequest,
    ReserveRequest,
    ReserveResponse,
)
from strongroom.metadata.v1.target_pb2 import UploadSpec

log = structlog.get_logger(__name__)


#: Seconds. On a busy machine a healthy renewal can take this long.
LEAST_TRY_SECONDS: Final = 1.0
#: Seconds between two renewals, at least.
LEAST_PAUSE: Final = 0.05


class LeaseKeeper:
    """``async with LeaseKeeper(…)``: renew the lease every third of its time; cancel the block if the write
    is lost.

    ``renew`` and ``name`` are those of ``Holder``; ``outage`` is passed where several leases share one log
    line.

    A renewal that fails otherwise, or gets no answer within a tenth of the lease, is repeated soon: a frozen
    replica of metadata_service costs no write while another one answers. Until the lease expires no other
    process may touch the attempt; after that the next compare-and-set fails.
    """

    def __init__(
        self,
        renew: Callable[[], Awaitable[float]],
        lease_seconds: float,
        name: Mapping[str, str],
        outage: Outage | None = None,
    ) -> None:
        self._outage = outage or renewals(lease_seconds)
        self._renew_lease = renew
        self._name = name
        self._lease = lease_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._renewer: asyncio.Task[None] | None = None
        self._holder: asyncio.Task[object] | None = None
        self._lost: UploadSuperseded | None = None

    async def __aenter__(self) -> Self:
        self._holder = asyncio.current_task()
        # Most writes end before the first renewal: a timer costs a tenth of a task that sleeps.
        self._timer = asyncio.get_running_loop().call_later(max(self._lease / 3, LEAST_PAUSE), self._begin)
        return self

    def _begin(self) -> None:
        self._renewer = asyncio.create_task(self._renew(), name=f"lease {self._name}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        renewer, self._renewer = self._renewer, None  # if we kept it, its frames would keep us alive
        if renewer is not None:
            renewer.cancel()
            await asyncio.gather(renewer, return_exceptions=True)
        holder, self._holder = self._holder, None
        if self._lost is not None and isinstance(error, asyncio.CancelledError):
            if holder is not None:
                holder.uncancel()
            raise self._lost from None

    async def _renew(self) -> None:
        while True:
            pause = self._lease / 24
            try:
                async with asyncio.timeout(max(self._lease / 10, LEAST_TRY_SECONDS)):
                    self._lease = await self._renew_lease()
            except UploadSuperseded as lost:
                self._lost = lost
                if self._holder is not None:
                    self._holder.cancel()
                return
            except (StrongroomError, TimeoutError) as error:
                self._failed(type(error).__name__)
            except asyncio.CancelledError:
                if stopping():
                    raise
                self._failed("cancelled")
            except Exception:
                log.exception("lease_renewal_failed", **self._name)
            else:
                pause = self._lease / 3
                self._outage.well()
            await asyncio.sleep(max(pause, LEAST_PAUSE))

    def _failed(self, reason: str) -> None:
        self._outage.failed(reason, reason=reason, **self._name)


def renewals(lease_seconds: float) -> Outage:
    """Return the log lines for renewals, shared by any number of leases.

    One is written when a renewal fails, the other when none has failed for ``lease_seconds``.
    """
    return Outage("lease_renewal_failed", "leases_are_renewed_again", quiet_seconds=lease_seconds)


T = TypeVar("T")

UNKNOWN_OUTCOME: Final = (ServiceUnavailable, DatabaseUnavailable, DeadlineExceeded)
TRIES: Final = 6
#: Seconds after the first try in which a new one may begin. A try takes ``STEP_SECONDS`` at most, so the
#: caller gets an answer within ten seconds.
PATIENCE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The writer: an attempt, or a save with all of its attempts.

    ``name``: fields for log lines (``{"blob_id": …}``). ``renew`` returns the lease in seconds from now and
    raises UploadSuperseded. ``abandon`` ends the write without a result. ``patience``: how many seconds an
    error is delayed until ``abandon`` has ended, so that the client can repeat its request at once.
    """

    name: Mapping[str, str]
    renew: Callable[[], Awaitable[float]]
    abandon: Callable[[], Awaitable[None]]
    patience: float = 0.0


class _Held(LeaseKeeper):
    """See WriteEngine.hold. ``failed`` is awaited with the exception that leaves the block."""

    def __init__(
        self,
        holder: Holder,
        lease_seconds: float,
        outage: Outage,
        failed: Callable[[Holder, BaseException], Awaitable[None]],
    ) -> None:
        super().__init__(holder.renew, lease_seconds, holder.name, outage)
        self._write = holder
        self._on_failure = failed

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except BaseException as instead:
            await self._on_failure(self._write, instead)
            raise
        if isinstance(error, StoreError):
            told = to_strongroom(error)
            await self._on_failure(self._write, told)
            raise told from error
        if error is not None:
            await self._on_failure(self._write, error)


class WriteEngine:
    """Renews the leases of writes, commits them and gives them up. One instance per process."""

    def __init__(
        self, gate: VersioningGate, *, lease_seconds: float, wake_cleaner: Callable[[], None]
    ) -> None:
        self.gate = gate
        self.wake_cleaner = wake_cleaner
        self._lease_seconds = lease_seconds
        self._giving_up: set[asyncio.Task[None]] = set()
        self._renewals = renewals(lease_seconds)
        self._abandons = FailingItems("abandon_failed", "abandons_again")

    def lease(self, holder: Holder) -> LeaseKeeper:
        """Return a context manager in which the lease is renewed. See LeaseKeeper."""
        return LeaseKeeper(holder.renew, self._lease_seconds, holder.name, self._renewals)

    def hold(self, holder: Holder) -> _Held:
        """``async with engine.hold(holder)``: renew the lease inside the block; any exception in it gives the
        write up.

        StoreErrors are raised as StrongroomErrors.
        """
        return _Held(holder, self._lease_seconds, self._renewals, self._failed)

    async def _failed(self, holder: Holder, error: BaseException) -> None:
        if isinstance(error, BucketNotVersioned):
            self.gate.distrust()
        await self._give_up_after(holder, error)

    async def commit(self, holder: Holder, step: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``step`` (T4, CommitSave), which is repeated while its outcome is unknown.

        If it is refused, the write is given up. Raises as ``until_known``.
        """
        try:
            return await until_known(step)
        except UNKNOWN_OUTCOME:
            raise
        except StrongroomError as error:
            await self._give_up_after(holder, error)
            raise

    def give_up(self, holder: Holder) -> None:
        """Give the write up in the background, independently of the caller's cancellation."""
        _ = self._abandoning(holder)  # ``_giving_up`` keeps it

    async def aclose(self) -> None:
        """Wait until all writes that are being given up have been."""
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
        except UploadSuperseded:  # whoever has it now ends it, often the cleaner after a refused commit
            self._abandons.well()
        except StrongroomError as error:  # its lease will expire
            self._abandons.failed(error, **holder.name)
        except Exception:
            log.exception("abandon_failed", **holder.name)
        else:
            self._abandons.well()
            self.wake_cleaner()


async def until_known(step: Callable[[], Awaitable[T]]) -> T:
    """Return the result of ``step``, repeating it while its outcome is unknown (rule R4), for as long as a
    caller can wait.

    ``step`` has to be idempotent. Raises what it raises; one of ``UNKNOWN_OUTCOME`` only if the last try did
    so, too.
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


def fingerprint(request: UploadSpec | BeginSaveRequest, *more: str, kind: str = "") -> bytes:
    """Return the SHA-256 of all that makes two requests the same, without the request id and the bytes."""
    same = type(request)()
    same.CopyFrom(request)  # type: ignore[arg-type]  # both are of one type
    same.ClearField("request_id")
    digest = hashlib.sha256(f"{kind}\0".encode() if kind else b"")
    digest.update(same.SerializeToString(deterministic=True))
    for text in more:
        digest.update(b"\0" + text.encode())
    return digest.digest()


def same_content(earlier: File, size: int, crc32c: int) -> File:
    """Return the answer of a request id's first request, provided that the repeat brought the same content.

    Raises IdempotencyKeyReused.
    """
    if (earlier.size_bytes, earlier.crc32c) != (size, crc32c):
        raise IdempotencyKeyReused("this idempotency key was used before, for other content; use a new key")
    return earlier


BEFORE_T1 = failpoints.register("storage.t1.before")
AFTER_T1 = failpoints.register("storage.t1.after")
BEFORE_T4 = failpoints.register("storage.t4.before")
AFTER_T4 = failpoints.register("storage.t4.after")


class Attempts:
    """Runs the steps of attempts. One instance per process."""

    def __init__(self, reservations: Reservations, engine: WriteEngine) -> None:
        self._reservations = reservations
        self._engine = engine

    async def reserve(self, request: ReserveRequest) -> ReserveResponse:
        """T1. Raises RequestInProgress, IdempotencyKeyReused, QuotaExceeded, PreconditionFailed,
        BucketNotVersioned.
        """
        await self._engine.gate.check_target(request.spec.target)
        await failpoints.hit(BEFORE_T1)
        response = await self._reservations.reserve(request)
        await failpoints.hit(AFTER_T1)
        return response

    async def answered(self, spec: UploadSpec, same_request: bytes) -> File | None:
        """Return the answer that an earlier request with this request id got, or None.

        Asked before a repeat touches its sources, which may be gone by now. Raises IdempotencyKeyReused.
        """
        if not spec.request_id:
            return None
        asked = GetAnswerRequest(user_id=spec.user_id, request_id=spec.request_id, fingerprint=same_request)
        try:
            return await self._reservations.answered(asked)
        except Unimplemented:  # a metadata_service of the previous release: there T1 returns the answer
            return None

    def hold(self, blob: blob_pb2.Blob) -> AbstractAsyncContextManager[object]:
        """``async with attempts.hold(blob)``: the block makes the object. See WriteEngine.hold."""
        return self._engine.hold(self._holder(blob))

    def lease(self, blob: blob_pb2.Blob) -> LeaseKeeper:
        """``async with attempts.lease(blob)``: only renew the lease; errors don't give the attempt up."""
        return self._engine.lease(self._holder(blob))

    async def commit(self, blob: blob_pb2.Blob, request: CommitRequest) -> File:
        """T4. Return the committed file.

        After ServiceUnavailable, DatabaseUnavailable or DeadlineExceeded the file may have been stored; after
        other errors it was not. Raises IdempotencyKeyReused if another attempt with other bytes was committed
        first.
        """
        await failpoints.hit(BEFORE_T4)
        response = await self._engine.commit(self._holder(blob), partial(self._reservations.commit, request))
        if response.lost_to_other_attempt:
            self._engine.wake_cleaner()
            same_content(response.file, request.size_bytes, request.crc32c)
        await failpoints.hit(AFTER_T4)
        return response.file

    def wake_cleaner(self) -> None:
        """Tell the cleaner that there is something to remove."""
        self._engine.wake_cleaner()

    def give_up(self, blob: blob_pb2.Blob) -> None:
        """Give the attempt up in the background."""
        self._engine.give_up(self._holder(blob))

    def _holder(self, blob: blob_pb2.Blob) -> Holder:
        handle = handle_of(blob)
        return Holder(
            {"blob_id": blob.id},
            renew=lambda: self._reservations.renew_lease(handle),
            abandon=lambda: self._reservations.abandon(handle),
        )
