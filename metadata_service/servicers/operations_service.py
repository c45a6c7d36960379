"""metadata.v1.OperationsService, CredentialService: what each storage_service reports of itself, and asks.

Internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from datetime import UTC
from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.audit import Act
from metadata_service.db.database import Database
from metadata_service.erasing import leftovers
from metadata_service.operators.replicas import Replicas
from metadata_service.operators.running_acts import RunningActs
from servicekit.auth.principal import effective_owner, only_admins
from servicekit.context import current_principal, current_request_id
from strongroom.metadata.v1 import credential_service_pb2 as credential_pb
from strongroom.metadata.v1 import operations_service_pb2 as pb
from strongroom.metadata.v1.credential_service_pb2_grpc import CredentialServiceServicer
from strongroom.metadata.v1.operations_service_pb2_grpc import OperationsServiceServicer


class CredentialServicer(CredentialServiceServicer):
    """Reaching this servicer proves that the credential is accepted; it only adds this process's time."""

    async def CheckCredential(
        self, request: credential_pb.CheckCredentialRequest, context: Context
    ) -> credential_pb.CheckCredentialResponse:
        response = credential_pb.CheckCredentialResponse()
        response.time.GetCurrentTime()
        return response


Context: TypeAlias = "ServicerContext[object, object]"


class OperationsServicer(OperationsServiceServicer):
    """Converts requests and responses. BeginAct is for admins; the rest names what it has begun."""

    def __init__(self, database: Database, acts: RunningActs, replicas: Replicas) -> None:
        self._database = database
        self._acts = acts
        self._replicas = replicas

    async def BeginAct(self, request: pb.BeginActRequest, context: Context) -> pb.BeginActResponse:
        actor = only_admins(current_principal())
        about = effective_owner(current_principal(), request.user_id) if request.user_id else ""
        details, request_id = dict(request.details), current_request_id()
        act = Act(request.act, actor, about, details, outcome="begun", request_id=request_id)
        return pb.BeginActResponse(lease_seconds=await self._acts.begin(request, act))

    async def RenewAct(self, request: pb.RenewActRequest, context: Context) -> pb.RenewActResponse:
        return pb.RenewActResponse(lease_seconds=await self._acts.renew(request.token))

    async def EndAct(self, request: pb.EndActRequest, context: Context) -> pb.EndActResponse:
        await self._acts.end(request)
        return pb.EndActResponse()

    async def ReportReplica(
        self, request: pb.ReportReplicaRequest, context: Context
    ) -> pb.ReportReplicaResponse:
        return pb.ReportReplicaResponse(drain=await self._replicas.report(request.replica, request.instance))

    async def ReportQuarantinePass(
        self, request: pb.ReportQuarantinePassRequest, context: Context
    ) -> pb.ReportQuarantinePassResponse:
        await leftovers.looked_through(self._database, request.begin_time.ToDatetime(UTC))
        return pb.ReportQuarantinePassResponse()
