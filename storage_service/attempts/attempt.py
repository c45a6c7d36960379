"""One attempt to write one object: T1, the bytes, T4 — or giving up. The frame that every way of writing
shares.

Whatever fails before T4 gives the attempt up; the cleaner removes what it wrote. When the outcome of T4 is
unknown nothing is compensated (rule R4): the row decides, and a repeat with the same request_id gets the
answer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import structlog

from servicekit import failpoints
from storage_service.attempts.lease import LeaseKeeper
from storage_service.attempts.outcomes import UNKNOWN_OUTCOME, until_known
from storage_service.attempts.versioning import VersioningGate
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.objectstore.translation import translated
from strongroom.errors import BucketNotVersioned, StrongroomError
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest, ReserveRequest, ReserveResponse
from strongroom.metadata.v1.target_pb2 import UploadSpec

log = structlog.get_logger(__name__)

BEFORE_T1 = failpoints.register("storage.t1.before")
AFTER_T1 = failpoints.register("storage.t1.after")
BEFORE_T4 = failpoints.register("storage.t4.before")
AFTER_T4 = failpoints.register("storage.t4.after")


class Attempts:
    """Runs attempts; one instance per process."""

    def __init__(
        self,
        reservations: Reservations,
        gate: VersioningGate,
        *,
        lease_seconds: float,
        wake_cleaner: Callable[[], None],
    ) -> None:
        self._reservations = reservations
        self._gate = gate
        self._lease_seconds = lease_seconds
        self._wake_cleaner = wake_cleaner
        self._giving_up: set[asyncio.Task[None]] = set()

    async def reserve(self, request: ReserveRequest) -> ReserveResponse:
        """T1. Raises RequestInProgress, IdempotencyKeyReused, QuotaExceeded, PreconditionFailed,
        BucketNotVersioned.
        """
        await self._gate.check_target(request.spec.target)
        await failpoints.hit(BEFORE_T1)
        response = await self._reservations.reserve(request)
        await failpoints.hit(AFTER_T1)
        return response

    async def run(self, blob: blob_pb2.Blob, make_object: Callable[[], Awaitable[CommitRequest]]) -> File:
        """Make the object under a renewed lease and commit it.

        Raises what ``make_object`` raises (StoreError translated); then nothing was stored. After
        ServiceUnavailable, DatabaseUnavailable or DeadlineExceeded the file may be there after all.
        """
        try:
            async with LeaseKeeper(self._reservations, handle_of(blob), self._lease_seconds):
                with translated():
                    commit = await make_object()
        except BaseException as error:
            if isinstance(error, BucketNotVersioned):
                self._gate.distrust()
            self._give_up(blob)
            raise
        await failpoints.hit(BEFORE_T4)
        file = await self._commit(blob, commit)
        await failpoints.hit(AFTER_T4)
        return file

    async def aclose(self) -> None:
        """Wait for attempts that are being given up."""
        await asyncio.gather(*self._giving_up, return_exceptions=True)

    async def _commit(self, blob: blob_pb2.Blob, request: CommitRequest) -> File:
        """T4, repeated while its outcome is unknown: a repeat answers the same file."""
        try:
            response = await until_known(lambda: self._reservations.commit(request))
        except UNKNOWN_OUTCOME:
            raise
        except StrongroomError:
            self._give_up(blob)
            raise
        if response.lost_to_other_attempt:
            self._wake_cleaner()
        return response.file

    def _give_up(self, blob: blob_pb2.Blob) -> None:
        """In the background: a cancelled caller must not wait for it, nor cut it short."""
        task = asyncio.create_task(self._abandon(blob), name=f"abandon {blob.id}")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)

    async def _abandon(self, blob: blob_pb2.Blob) -> None:
        try:
            await self._reservations.abandon(handle_of(blob))
        except StrongroomError as error:
            log.warning("abandon_failed", blob_id=blob.id, reason=error.reason_name)  # its lease will run out
        except Exception:
            log.exception("abandon_failed", blob_id=blob.id)
        else:
            self._wake_cleaner()


def fingerprint(spec: UploadSpec, *more: str) -> bytes:
    """SHA-256 of everything that makes two requests the same, except the idempotency key and the bytes."""
    same = UploadSpec()
    same.CopyFrom(spec)
    same.ClearField("request_id")
    digest = hashlib.sha256(same.SerializeToString(deterministic=True))
    for text in more:
        digest.update(b"\0" + text.encode())
    return digest.digest()
