"""metadata.v1.UsageService."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.config import Limits
from metadata_service.db.revisions import Revisions
from metadata_service.usage.costs import Costs
from metadata_service.usage.queries import UsageQueries
from servicekit.auth.principal import effective_owner, only_admins
from servicekit.context import current_principal, current_request_id
from strongroom.metadata.v1 import usage_service_pb2 as pb
from strongroom.metadata.v1.usage_service_pb2_grpc import UsageServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class UsageServicer(UsageServiceServicer):
    """Converts requests and responses."""

    def __init__(self, usage: UsageQueries, revisions: Revisions, costs: Costs) -> None:
        self._usage = usage
        self._revisions = revisions
        self._costs = costs

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.GetUsageResponse(usage=await self._usage.usage(owner))

    async def GetCosts(self, request: pb.GetCostsRequest, context: Context) -> pb.GetCostsResponse:
        if request.all_users:
            only_admins(current_principal())
            return await self._costs.of(None)
        return await self._costs.of(effective_owner(current_principal(), request.user_id))

    async def SetQuota(self, request: pb.SetQuotaRequest, context: Context) -> pb.SetQuotaResponse:
        actor = only_admins(current_principal())
        owner = effective_owner(current_principal(), request.user_id)
        wanted = Limits(
            bytes=request.limit_bytes if request.HasField("limit_bytes") else None,
            files=request.limit_files if request.HasField("limit_files") else None,
        )
        usage = await self._usage.set_limits(owner, wanted, actor=actor, request_id=current_request_id())
        return pb.SetQuotaResponse(usage=usage)

    async def GetRevision(self, request: pb.GetRevisionRequest, context: Context) -> pb.GetRevisionResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.GetRevisionResponse(revision=await self._usage.revision(owner, self._revisions))
