"""metadata.v1.AdminService, for admins."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.audit import Acts
from metadata_service.usage.owners import OwnersUsage
from servicekit.context import current_principal
from strongroom.errors import PermissionDenied
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class AdminServicer(AdminServiceServicer):
    """Converts requests and responses."""

    def __init__(self, owners: OwnersUsage, acts: Acts) -> None:
        self._owners = owners
        self._acts = acts

    async def ListUsage(self, request: pb.ListUsageRequest, context: Context) -> pb.ListUsageResponse:
        only_admins()
        return await self._owners.page(request)

    async def ListAdminActs(
        self, request: pb.ListAdminActsRequest, context: Context
    ) -> pb.ListAdminActsResponse:
        only_admins()
        acts = await self._acts.page(request.user_id, request.act, request.before_id, request.page_size)
        return pb.ListAdminActsResponse(acts=acts)


def only_admins() -> str:
    """The admin who calls. Raises PermissionDenied."""
    caller = current_principal()
    if not caller.is_admin:
        raise PermissionDenied("Only admins may do this: it needs a token with the admin role.")
    return caller.subject
