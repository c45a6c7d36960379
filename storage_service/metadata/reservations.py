"""ReservationService: T1 to T4 of an attempt, D1, and the cleaner's work (docs/consistency.md).

Reserve and D1 act for the caller. Later steps name the attempt, its epoch and its owner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from grpc import aio

from servicekit import context
from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient, replica_name
from strongroom.metadata.v1 import reservation_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import Blob, BlobState
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2_grpc import ReservationServiceStub


class Reservations(MetadataClient):
    """The write protocol of attempts."""

    def __init__(
        self,
        channel: aio.Channel,
        internal: InternalCredential,
        committed: Callable[[File], None] | None = None,
    ) -> None:
        """``committed`` is called with each committed file."""
        super().__init__(channel, internal)
        self._committed = committed
        self._stub = ReservationServiceStub(channel)

    async def reserve(self, request: pb.ReserveRequest) -> pb.ReserveResponse:
        """T1. Return a PENDING blob with key, epoch and lease, or the stored answer of an earlier request.

        Raises RequestInProgress, IdempotencyKeyReused, QuotaExceeded, PreconditionFailed.
        """
        return await self._ask(self._stub.Reserve, request)

    async def answered(self, request: pb.GetAnswerRequest) -> File | None:
        """Return the answer that an earlier request with this id got, or None. Raises
        IdempotencyKeyReused.
        """
        response = await self._ask(self._stub.GetAnswer, request)
        return response.file if response.HasField("file") else None

    async def record_multipart(self, blob: pb.BlobHandle, upload_id: str) -> None:
        """T2. Raises UploadSuperseded if another process has taken the attempt over."""
        request = pb.RecordMultipartRequest(blob=blob, upload_id=upload_id)
        await self._step(self._stub.RecordMultipart, request)

    async def renew_lease(self, blob: pb.BlobHandle) -> float:
        """Renew the lease and return it in seconds from now. Raises UploadSuperseded."""
        response = await self._step(self._stub.RenewLease, pb.RenewLeaseRequest(blob=blob))
        return response.lease.ToTimedelta().total_seconds()

    async def begin_completion(self, request: pb.BeginCompletionRequest) -> None:
        """T3. Raises UploadSuperseded, QuotaExceeded."""
        await self._step(self._stub.BeginCompletion, request)

    async def commit(self, request: pb.CommitRequest) -> pb.CommitResponse:
        """T4. A repeat returns the same file. Raises UploadSuperseded, PreconditionFailed."""
        response = await self._step(self._stub.Commit, request)
        if self._committed is not None:
            self._committed(response.file)
        return response

    async def abandon(self, blob: pb.BlobHandle) -> None:
        """Give the attempt up: PENDING or COMPLETING → ABORTING."""
        await self._step(self._stub.Abandon, pb.AbandonRequest(blob=blob))

    async def delete_file(self, request: pb.DeleteFileRequest) -> pb.DeleteFileResponse:
        """D1. Raises FileNotFound, PreconditionFailed."""
        return await self._ask(self._stub.DeleteFile, request)

    async def report_import_failure(self, request: pb.ReportImportFailureRequest) -> None:
        """Write the event about a failed import, even if the caller's deadline is over, as it often is."""
        await self._step(self._stub.ReportImportFailure, request, caller=context.current_principal())

    async def report_save_failure(self, request: pb.ReportSaveFailureRequest) -> None:
        """Write the event about an upload or save that failed because the store could not be reached."""
        await self._step(self._stub.ReportSaveFailure, request, caller=context.current_principal())

    async def report_damage(self, key: str, version_id: str, damage: pb.Damage.ValueType) -> None:
        """Tell the owner that the object is missing, or that its bytes are wrong."""
        request = pb.ReportDamageRequest(key=key, version_id=version_id, damage=damage)
        await self._step(self._stub.ReportDamage, request)

    async def claim_work(self, limit: int, *, without: Collection[str] = ()) -> pb.ClaimWorkResponse:
        """Return blobs that need the cleaner, each leased to it at a new epoch; none of owners in
        ``without``.
        """
        request = pb.ClaimWorkRequest(limit=limit, replica=replica_name(), without_owner_ids=without)
        return await self._step(self._stub.ClaimWork, request)

    async def finish_removal(self, blob: pb.BlobHandle, from_state: BlobState.ValueType) -> None:
        """Record that nothing of the blob is left in S3: → GONE, or, from GONE, purged."""
        request = pb.FinishRemovalRequest(blob=blob, from_state=from_state)
        await self._step(self._stub.FinishRemoval, request)

    async def release_work(self, blob: pb.BlobHandle, *, hidden: bool = False, failure: str = "") -> None:
        """Give a claim back, after a ``failure``, or until the restore window is over (``hidden``)."""
        request = pb.ReleaseWorkRequest(blob=blob, hidden=hidden, failure=failure)
        await self._step(self._stub.ReleaseWork, request)

    async def filter_settled_keys(self, keys: list[str]) -> set[str]:
        """Return those of ``keys`` (at most 1,000) that have a row but no writer."""
        request = pb.FilterSettledKeysRequest(keys=keys)
        return set((await self._step(self._stub.FilterSettledKeys, request)).keys)

    async def filter_unrecorded_versions(self, key: str, version_ids: list[str]) -> set[str]:
        """Return those of ``version_ids`` (at most 10,000) of a shared key that no row has recorded."""
        request = pb.FilterUnrecordedVersionsRequest(key=key, version_ids=version_ids)
        return set((await self._step(self._stub.FilterUnrecordedVersions, request)).version_ids)


def handle_of(blob: Blob) -> pb.BlobHandle:
    """Return the attempt with the epoch at which it is held."""
    return pb.BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=blob.owner_id)
