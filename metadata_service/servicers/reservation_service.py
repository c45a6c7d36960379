"""metadata.v1.ReservationService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from grpc.aio import ServicerContext

from metadata_service.attempts.cleaning import CleaningWork
from metadata_service.attempts.commit import Committer
from metadata_service.attempts.reservation import Reserver
from metadata_service.attempts.steps import AttemptSteps
from metadata_service.blobs.rows import Handle
from metadata_service.damage import DamageReports
from metadata_service.files.deletion import Deleter, Deletion
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.metadata.v1 import reservation_service_pb2 as pb
from strongroom.metadata.v1.reservation_service_pb2_grpc import ReservationServiceServicer
from strongroom.path_rules import as_stored

Context: TypeAlias = "ServicerContext[object, object]"


class ReservationServicer(ReservationServiceServicer):
    """Converts requests and responses. Reserve and DeleteFile act for the token's user, the rest for the
    attempt's owner.
    """

    def __init__(
        self,
        reserver: Reserver,
        steps: AttemptSteps,
        committer: Committer,
        deleter: Deleter,
        work: CleaningWork,
        *,
        damage: DamageReports,
    ) -> None:
        self._reserver = reserver
        self._steps = steps
        self._committer = committer
        self._deleter = deleter
        self._work = work
        self._damage = damage

    async def Reserve(self, request: pb.ReserveRequest, context: Context) -> pb.ReserveResponse:
        owner = effective_owner(current_principal(), request.spec.user_id)
        return await self._reserver.reserve(owner, request, asking=current_principal().subject)

    async def GetAnswer(self, request: pb.GetAnswerRequest, context: Context) -> pb.GetAnswerResponse:
        owner = effective_owner(current_principal(), request.user_id)
        earlier = await self._reserver.answered(owner, request.request_id, request.fingerprint)
        return pb.GetAnswerResponse(file=earlier)

    async def RecordMultipart(
        self, request: pb.RecordMultipartRequest, context: Context
    ) -> pb.RecordMultipartResponse:
        await self._steps.record_multipart(Handle.of(request.blob), request.upload_id)
        return pb.RecordMultipartResponse()

    async def RenewLease(self, request: pb.RenewLeaseRequest, context: Context) -> pb.RenewLeaseResponse:
        seconds = await self._steps.renew_lease(Handle.of(request.blob))
        lease = Duration()
        lease.FromMicroseconds(round(seconds * 1_000_000))
        return pb.RenewLeaseResponse(lease=lease)

    async def BeginCompletion(
        self, request: pb.BeginCompletionRequest, context: Context
    ) -> pb.BeginCompletionResponse:
        await self._steps.begin_completion(Handle.of(request.blob), request)
        return pb.BeginCompletionResponse()

    async def Commit(self, request: pb.CommitRequest, context: Context) -> pb.CommitResponse:
        return await self._committer.commit(request)

    async def Abandon(self, request: pb.AbandonRequest, context: Context) -> pb.AbandonResponse:
        await self._steps.abandon(Handle.of(request.blob))
        return pb.AbandonResponse()

    async def DeleteFile(self, request: pb.DeleteFileRequest, context: Context) -> pb.DeleteFileResponse:
        by_id = request.WhichOneof("name") == "file_id"
        wanted = Deletion(
            owner_id=effective_owner(current_principal(), request.user_id),
            file_id=UUID(request.file_id) if by_id else None,
            key=as_stored(request.key),
            family=request.family,
            if_generation_match=request.if_generation_match
            if request.HasField("if_generation_match")
            else None,
            soft=request.soft,
        )
        return pb.DeleteFileResponse(file=await self._deleter.delete(wanted))

    async def ClaimWork(self, request: pb.ClaimWorkRequest, context: Context) -> pb.ClaimWorkResponse:
        claimed, housekept = await self._work.claim(
            request.limit, request.replica, without=list(request.without_owner_ids)
        )
        return pb.ClaimWorkResponse(blobs=[blob.to_proto() for blob in claimed], housekeeping=housekept)

    async def FinishRemoval(
        self, request: pb.FinishRemovalRequest, context: Context
    ) -> pb.FinishRemovalResponse:
        await self._work.finish_removal(Handle.of(request.blob), request.from_state)
        return pb.FinishRemovalResponse()

    async def ReleaseWork(self, request: pb.ReleaseWorkRequest, context: Context) -> pb.ReleaseWorkResponse:
        await self._work.release(Handle.of(request.blob), hidden=request.hidden, failure=request.failure)
        return pb.ReleaseWorkResponse()

    async def FilterSettledKeys(
        self, request: pb.FilterSettledKeysRequest, context: Context
    ) -> pb.FilterSettledKeysResponse:
        return pb.FilterSettledKeysResponse(keys=await self._work.settled_keys(list(request.keys)))

    async def FilterUnrecordedVersions(
        self, request: pb.FilterUnrecordedVersionsRequest, context: Context
    ) -> pb.FilterUnrecordedVersionsResponse:
        unrecorded = await self._work.unrecorded_versions(request.key, list(request.version_ids))
        return pb.FilterUnrecordedVersionsResponse(version_ids=unrecorded)

    async def ReportImportFailure(
        self, request: pb.ReportImportFailureRequest, context: Context
    ) -> pb.ReportImportFailureResponse:
        owner = effective_owner(current_principal(), request.spec.user_id)
        await self._steps.tell_import_failed(owner, request)
        return pb.ReportImportFailureResponse()

    async def ReportSaveFailure(
        self, request: pb.ReportSaveFailureRequest, context: Context
    ) -> pb.ReportSaveFailureResponse:
        await self._steps.tell_save_failed(effective_owner(current_principal(), request.user_id), request)
        return pb.ReportSaveFailureResponse()

    async def ReportDamage(
        self, request: pb.ReportDamageRequest, context: Context
    ) -> pb.ReportDamageResponse:
        told = await self._damage.report(request.key, request.version_id, request.damage)
        return pb.ReportDamageResponse(told=told)
