"""metadata.v1.GuestAccessService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.shares.guests import GuestAccess
from strongroom.metadata.v1 import guest_access_service_pb2 as pb
from strongroom.metadata.v1.guest_access_service_pb2_grpc import GuestAccessServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class GuestAccessServicer(GuestAccessServiceServicer):
    """Converts requests and responses."""

    def __init__(self, access: GuestAccess) -> None:
        self._access = access

    async def AdmitGuest(self, request: pb.AdmitGuestRequest, context: Context) -> pb.AdmitGuestResponse:
        share, epoch = await self._access.admit(request.token, request.password)
        return pb.AdmitGuestResponse(share=share, session_epoch=epoch)

    async def GetGuestShare(
        self, request: pb.GetGuestShareRequest, context: Context
    ) -> pb.GetGuestShareResponse:
        share, epoch = await self._access.share(request.token)
        return pb.GetGuestShareResponse(share=share, session_epoch=epoch)
