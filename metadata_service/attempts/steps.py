"""Steps of an attempt between Reserve and Commit: T2, lease renewal, T3 and giving up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from metadata_service.blobs import scans, transitions, upkeep
from metadata_service.blobs.rows import Handle, pack_parts
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Transaction, user
from metadata_service.files import events
from metadata_service.usage import quota
from servicekit import failpoints
from strongroom.errors import SizeMismatch
from strongroom.metadata.v1.reservation_service_pb2 import (
    BeginCompletionRequest,
    ReportImportFailureRequest,
    ReportSaveFailureRequest,
)

BEFORE_T2: Final = failpoints.register("metadata.t2.before_commit")
AFTER_T2: Final = failpoints.register("metadata.t2.after_commit")
BEFORE_T3: Final = failpoints.register("metadata.t3.before_commit")
AFTER_T3: Final = failpoints.register("metadata.t3.after_commit")
BEFORE_ABANDON: Final = failpoints.register("metadata.abandon.before_commit")
AFTER_ABANDON: Final = failpoints.register("metadata.abandon.after_commit")


class AttemptSteps:
    """Moves attempts on.

    Every method that takes a handle may be repeated after a lost reply, and raises UploadSuperseded if the
    attempt belongs to somebody else by now.
    """

    def __init__(self, database: Database, timing: Timing, limits: Limits) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits

    async def record_multipart(self, handle: Handle, upload_id: str) -> None:
        """T2: store the id of the multipart upload, so that the upload can be aborted."""

        async def work(tx: Transaction) -> None:
            await upkeep.record_multipart(tx, handle, upload_id, self._timing.lease)
            await failpoints.hit(BEFORE_T2)

        await self._as_owner(handle, work)
        await failpoints.hit(AFTER_T2)

    async def renew_lease(self, handle: Handle) -> float:
        """Renew the attempt's lease. Returns its length from now in seconds."""
        await self._as_owner(handle, lambda tx: upkeep.renew(tx, handle, self._timing.lease))
        return self._timing.lease

    async def begin_completion(self, handle: Handle, request: BeginCompletionRequest) -> None:
        """T3: all parts are in S3. Also raises SizeMismatch, QuotaExceeded."""
        size = sum(part.size_bytes for part in request.parts)
        if request.parts and size != request.size_bytes:
            raise SizeMismatch(
                f"The parts hold {size} bytes, the request says {request.size_bytes}.",
                metadata={"expected": str(request.size_bytes), "actual": str(size)},
            )
        parts = pack_parts(list(request.parts))

        async def work(tx: Transaction) -> None:
            begun = await transitions.begin_completion(
                tx,
                handle,
                parts=parts,
                size=request.size_bytes,
                crc32c=request.crc32c,
                lease=self._timing.lease,
            )
            if request.HasField("scan"):
                await tx.execute(*scans.note(handle.owner_id, [(handle.blob_id, request.scan)]))
            if begun is not None:  # the final size is known only now
                rows = await tx.fetch(*quota.read_limits(handle.owner_id))
                allowed = quota.limits(rows, self._limits)
                await quota.ensure_room(tx, handle.owner_id, allowed, handle.blob_id)
            await failpoints.hit(BEFORE_T3)

        await self._as_owner(handle, work)
        await failpoints.hit(AFTER_T3)

    async def abandon(self, handle: Handle) -> None:
        """Give the attempt up. Its reservation is free at once; the cleaner removes what it wrote."""

        async def work(tx: Transaction) -> None:
            await transitions.abandon(tx, handle)
            await failpoints.hit(BEFORE_ABANDON)

        await self._as_owner(handle, work)
        await failpoints.hit(AFTER_ABANDON)

    async def tell_import_failed(self, owner_id: str, told: ReportImportFailureRequest) -> None:
        """Send the owner an event about a failed import, which has no attempt, or none any longer."""

        async def work(tx: Transaction) -> None:
            await tx.batch([events.import_failed(owner_id, told)])

        await self._database.transact(user(owner_id), work)

    async def tell_save_failed(self, owner_id: str, told: ReportSaveFailureRequest) -> None:
        """Send the owner an event about a save that failed because the object store could not be reached."""

        async def work(tx: Transaction) -> None:
            await tx.batch([events.save_failed(owner_id, told)])

        await self._database.transact(user(owner_id), work)

    async def _as_owner(self, handle: Handle, work: Callable[[Transaction], Awaitable[None]]) -> None:
        await self._database.transact(user(handle.owner_id), work)
