"""metadata_service over gRPC: the adapter of ``reservations`` and ``files``.

Reserve, D1 and reads act for the caller (its token is handed on). Later steps of an attempt name blob,
epoch and owner and carry the internal credential alone, so that an upload may outlive its token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from grpc import aio

from servicekit import context
from servicekit.channels import call
from servicekit.internal_credential import InternalCredential
from servicekit.principal import Principal
from storage_service.metadata.files import FileName
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.damage import Damage
from strongroom.metadata.v1 import reservation_service_pb2 as messages
from strongroom.metadata.v1.blob_pb2 import BlobState
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import BatchGetFilesRequest, GetFileRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from strongroom.metadata.v1.reservation_service_pb2_grpc import ReservationServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")

DAMAGES: Final[Mapping[Damage, messages.Damage.ValueType]] = {
    "lost": messages.DAMAGE_LOST,
    "corrupt": messages.DAMAGE_CORRUPT,
}
STEP_SECONDS = 6.0
"""Limit of one step of the protocol; a transaction takes milliseconds."""


class MetadataClient:
    """Implements FileReader, Reservations, Deletions, CleanerWork and Owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        self._files = FileServiceStub(channel)
        self._reservations = ReservationServiceStub(channel)
        self._internal = internal

    async def get(self, name: FileName, user_id: str) -> File:
        """See FileReader.get."""
        request = GetFileRequest(user_id=user_id)
        if name.file_id:
            request.file_id = name.file_id
        else:
            request.key = name.key
        return (await call(self._files.GetFile, request, internal=self._internal)).file

    async def get_many(self, file_ids: Sequence[str], user_id: str) -> Sequence[File]:
        """See FileReader.get_many."""
        request = BatchGetFilesRequest(file_ids=file_ids, user_id=user_id)
        return (await call(self._files.BatchGetFiles, request, internal=self._internal)).files

    async def reserve(self, request: messages.ReserveRequest) -> messages.ReserveResponse:
        """See Reservations.reserve."""
        return await call(self._reservations.Reserve, request, internal=self._internal)

    async def delete_file(self, request: messages.DeleteFileRequest) -> messages.DeleteFileResponse:
        """See Deletions.delete_file."""
        return await call(self._reservations.DeleteFile, request, internal=self._internal)

    async def report_import_failure(self, request: messages.ReportImportFailureRequest) -> None:
        """See ImportFailures.report_import_failure."""
        caller = context.current_principal()
        with _own_deadline(caller):  # most imports that fail have used theirs up
            await call(
                self._reservations.ReportImportFailure,
                request,
                timeout=STEP_SECONDS,
                internal=self._internal,
            )

    async def report_damage(self, ref: ObjectRef, damage: Damage) -> None:
        """See Owners.report_damage."""
        request = messages.ReportDamageRequest(
            key=ref.key, version_id=ref.version_id or "", damage=DAMAGES[damage]
        )
        await self._step(self._reservations.ReportDamage, request)

    async def record_multipart(self, blob: messages.BlobHandle, upload_id: str) -> None:
        """See Reservations.record_multipart."""
        request = messages.RecordMultipartRequest(blob=blob, upload_id=upload_id)
        await self._step(self._reservations.RecordMultipart, request)

    async def renew_lease(self, blob: messages.BlobHandle) -> float:
        """See Reservations.renew_lease."""
        response = await self._step(self._reservations.RenewLease, messages.RenewLeaseRequest(blob=blob))
        return response.lease.ToTimedelta().total_seconds()

    async def begin_completion(self, request: messages.BeginCompletionRequest) -> None:
        """See Reservations.begin_completion."""
        await self._step(self._reservations.BeginCompletion, request)

    async def commit(self, request: messages.CommitRequest) -> messages.CommitResponse:
        """See Reservations.commit."""
        return await self._step(self._reservations.Commit, request)

    async def abandon(self, blob: messages.BlobHandle) -> None:
        """See Reservations.abandon."""
        await self._step(self._reservations.Abandon, messages.AbandonRequest(blob=blob))

    async def claim_work(self, limit: int) -> messages.ClaimWorkResponse:
        """See CleanerWork.claim_work."""
        return await self._step(self._reservations.ClaimWork, messages.ClaimWorkRequest(limit=limit))

    async def finish_removal(self, blob: messages.BlobHandle, from_state: BlobState.ValueType) -> None:
        """See CleanerWork.finish_removal."""
        request = messages.FinishRemovalRequest(blob=blob, from_state=from_state)
        await self._step(self._reservations.FinishRemoval, request)

    async def release_work(self, blob: messages.BlobHandle) -> None:
        """See CleanerWork.release_work."""
        await self._step(self._reservations.ReleaseWork, messages.ReleaseWorkRequest(blob=blob))

    async def filter_settled_keys(self, keys: list[str]) -> set[str]:
        """See CleanerWork.filter_settled_keys."""
        request = messages.FilterSettledKeysRequest(keys=keys)
        return set((await self._step(self._reservations.FilterSettledKeys, request)).keys)

    async def _step(
        self, method: aio.UnaryUnaryMultiCallable[Request, Response], request: Request
    ) -> Response:
        """One step of the protocol on the service's own behalf, with a deadline of its own.

        The caller's deadline must not cut it: when the caller has given up, its attempt is still given up
        properly.
        """
        with _own_deadline():
            return await call(method, request, timeout=STEP_SECONDS, internal=self._internal, as_caller=False)


@contextmanager
def _own_deadline(caller: Principal | None = None) -> Iterator[None]:
    """Inside, calls carry the request's id but not its deadline, and act for ``caller`` only."""
    with context.bind(context.for_caller(caller)):
        yield
