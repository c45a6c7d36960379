"""One attempt to write one object: T1, the bytes under a renewed lease, T4 — or giving up (`engine`)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from servicekit import failpoints
from storage_service.attempts.engine import Holder, WriteEngine
from storage_service.attempts.lease import LeaseKeeper
from storage_service.metadata.reservations import Reservations, handle_of
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import (
    CommitRequest,
    ReserveRequest,
    ReserveResponse,
)

BEFORE_T1 = failpoints.register("storage.t1.before")
AFTER_T1 = failpoints.register("storage.t1.after")
BEFORE_T4 = failpoints.register("storage.t4.before")
AFTER_T4 = failpoints.register("storage.t4.after")


class Attempts:
    """Runs attempts; one instance per process."""

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

    def hold(self, blob: blob_pb2.Blob) -> AbstractAsyncContextManager[None]:
        """``async with attempts.hold(blob)``: make the object. See WriteEngine.hold."""
        return self._engine.hold(self._holder(blob))

    def lease(self, blob: blob_pb2.Blob) -> LeaseKeeper:
        """``async with attempts.lease(blob)``: only that, for attempts that no error gives up."""
        return self._engine.lease(self._holder(blob))

    async def commit(self, blob: blob_pb2.Blob, request: CommitRequest) -> File:
        """T4. After ServiceUnavailable, DatabaseUnavailable or DeadlineExceeded the file may be there after
        all; after other errors nothing was stored.
        """
        await failpoints.hit(BEFORE_T4)
        response = await self._engine.commit(self._holder(blob), lambda: self._reservations.commit(request))
        if response.lost_to_other_attempt:
            self._engine.wake_cleaner()
        await failpoints.hit(AFTER_T4)
        return response.file

    def wake_cleaner(self) -> None:
        """There is something to remove."""
        self._engine.wake_cleaner()

    def give_up(self, blob: blob_pb2.Blob) -> None:
        """In the background."""
        self._engine.give_up(self._holder(blob))

    def _holder(self, blob: blob_pb2.Blob) -> Holder:
        handle = handle_of(blob)
        return Holder(
            {"blob_id": blob.id},
            renew=lambda: self._reservations.renew_lease(handle),
            abandon=lambda: self._reservations.abandon(handle),
        )
