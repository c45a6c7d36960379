"""metadata.v1.AdminService, for admins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.attempts.operating import Operating
from metadata_service.audit import Act, Acts
from metadata_service.erasing.erasures import Erasures
from metadata_service.erasing.receipt import Receipts
from metadata_service.operators.infected import Infected
from metadata_service.operators.reindexing import Reindexing
from metadata_service.operators.replicas import Replicas
from metadata_service.usage.queries import OwnersUsage
from servicekit.auth.principal import effective_owner, only_admins
from servicekit.context import current_principal, current_request_id
from strongroom.errors import InvalidField, StrongroomError
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1 import infected_pb2, replica_pb2
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class AdminServicer(AdminServiceServicer):
    """Converts requests and responses."""

    def __init__(
        self,
        owners: OwnersUsage,
        acts: Acts,
        erasures: Erasures,
        receipts: Receipts,
        operating: Operating,
        *,
        replicas: Replicas,
        reindexing: Reindexing,
        infected: Infected,
    ) -> None:
        self._owners = owners
        self._acts = acts
        self._erasures = erasures
        self._receipts = receipts
        self._operating = operating
        self._replicas = replicas
        self._reindexing = reindexing
        self._infected = infected

    async def ListUsage(self, request: pb.ListUsageRequest, context: Context) -> pb.ListUsageResponse:
        only_admins(current_principal())
        return await self._owners.page(request)

    async def ListInfected(
        self, request: infected_pb2.ListInfectedRequest, context: Context
    ) -> infected_pb2.ListInfectedResponse:
        only_admins(current_principal())
        return await self._infected.page(request)

    async def EraseUser(self, request: pb.EraseUserRequest, context: Context) -> pb.EraseUserResponse:
        actor = only_admins(current_principal())
        owner = effective_owner(current_principal(), request.user_id)
        erasure, begun = await self._erasures.begin(
            owner, actor, current_request_id(), override_holds=request.override_holds
        )
        return pb.EraseUserResponse(erasure=erasure, begun=begun)

    async def GetErasure(self, request: pb.GetErasureRequest, context: Context) -> pb.GetErasureResponse:
        only_admins(current_principal())
        if bool(request.id) == bool(request.user_id):
            raise InvalidField("Name an erasure by id, or a user by user_id.", field="id", rule="one_of")
        erasure = await self._erasures.get(_erasure_id(request.id), request.user_id)
        response = pb.GetErasureResponse(erasure=erasure)
        if erasure.HasField("end_time"):
            receipt = await self._receipts.signed(erasure)
            response.receipt_json, response.signature = receipt.document, receipt.signature
            response.public_key = receipt.public_key
        return response

    async def NoteAct(self, request: pb.NoteActRequest, context: Context) -> pb.NoteActResponse:
        actor = only_admins(current_principal())
        about = effective_owner(current_principal(), request.user_id) if request.user_id else ""
        details, request_id = dict(request.details), current_request_id()
        await self._acts.write(
            Act(request.act, actor, about, details, outcome="begun", request_id=request_id)
        )
        return pb.NoteActResponse()

    async def GetCleanerStatus(
        self, request: pb.GetCleanerStatusRequest, context: Context
    ) -> pb.GetCleanerStatusResponse:
        only_admins(current_principal())
        return await self._operating.status()

    async def ListAttempts(
        self, request: pb.ListAttemptsRequest, context: Context
    ) -> pb.ListAttemptsResponse:
        only_admins(current_principal())
        return await self._operating.attempts(request)

    async def RequeueAttempts(
        self, request: pb.RequeueAttemptsRequest, context: Context
    ) -> pb.RequeueAttemptsResponse:
        actor = only_admins(current_principal())
        if bool(request.ids) == request.all:
            raise InvalidField("Name attempts by ids, or say all.", field="ids", rule="one_of")
        name = "requeue_attempts" if request.reset_pauses else "retry_attempts"
        act = Act(name, actor, request_id=current_request_id())
        return pb.RequeueAttemptsResponse(ids=await self._operating.requeue(request, act))

    async def AbortAttempt(
        self, request: pb.AbortAttemptRequest, context: Context
    ) -> pb.AbortAttemptResponse:
        actor = only_admins(current_principal())
        act = Act("abort_attempt", actor, request_id=current_request_id())
        return await self._operating.abort(request.id, act)

    async def ListReplicas(
        self, request: replica_pb2.ListReplicasRequest, context: Context
    ) -> replica_pb2.ListReplicasResponse:
        only_admins(current_principal())
        return await self._replicas.all()

    async def DrainReplica(
        self, request: replica_pb2.DrainReplicaRequest, context: Context
    ) -> replica_pb2.DrainReplicaResponse:
        act = Act("drain_replica", only_admins(current_principal()), request_id=current_request_id())
        return replica_pb2.DrainReplicaResponse(replica=await self._replicas.drain(request.name, act))

    async def UndrainReplica(
        self, request: replica_pb2.UndrainReplicaRequest, context: Context
    ) -> replica_pb2.UndrainReplicaResponse:
        act = Act("undrain_replica", only_admins(current_principal()), request_id=current_request_id())
        return replica_pb2.UndrainReplicaResponse(replica=await self._replicas.undrain(request.name, act))

    async def Reindex(
        self, request: replica_pb2.ReindexRequest, context: Context
    ) -> AsyncIterator[replica_pb2.ReindexResponse]:
        actor = only_admins(current_principal())
        about = effective_owner(current_principal(), request.user_id) if request.user_id else ""
        act = Act("reindex", actor, about, outcome="begun", request_id=current_request_id())
        begun = await self._acts.write(act)
        done, outcome = replica_pb2.ReindexResponse(), "stopped"
        try:
            async with aclosing(self._reindexing.run(about)) as steps:
                async for done in steps:
                    yield done
            outcome = "done"
        except StrongroomError:
            outcome = "failed"
            raise
        finally:
            counts = {field.name: getattr(done, field.name) for field in done.DESCRIPTOR.fields}
            await self._acts.write_end(begun, outcome, {"counts": counts})

    async def ListAdminActs(
        self, request: pb.ListAdminActsRequest, context: Context
    ) -> pb.ListAdminActsResponse:
        only_admins(current_principal())
        acts = await self._acts.page(request.user_id, request.act, request.before_id, request.page_size)
        return pb.ListAdminActsResponse(acts=acts)


def _erasure_id(text: str) -> str:
    """The id of an erasure in a request. Raises InvalidField."""
    try:
        return str(UUID(text)) if text else ""
    except ValueError:
        raise InvalidField(
            "id is not an erasure's: it is the UUID that EraseUser returned.", field="id", rule="uuid"
        ) from None
