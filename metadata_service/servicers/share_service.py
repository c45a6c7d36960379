"""metadata.v1.ShareService for owners, GuestAccessService for guests.

GuestAccessService is internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.db.revisions import Revisions
from metadata_service.shares.guests import GuestAccess
from metadata_service.shares.making import ShareMaker, expiry_of
from metadata_service.shares.owners import OwnersShares, ShareEdit
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from servicekit.texts import refuse_nul
from strongroom.metadata.v1 import guest_access_service_pb2 as guest_pb
from strongroom.metadata.v1 import share_service_pb2 as pb
from strongroom.metadata.v1.guest_access_service_pb2_grpc import GuestAccessServiceServicer
from strongroom.metadata.v1.share_service_pb2_grpc import ShareServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class ShareServicer(ShareServiceServicer):
    """Converts requests and responses."""

    def __init__(self, maker: ShareMaker, shares: OwnersShares, revisions: Revisions) -> None:
        self._maker = maker
        self._shares = shares
        self._revisions = revisions

    async def CreateShare(self, request: pb.CreateShareRequest, context: Context) -> pb.CreateShareResponse:
        return await self._maker.create(effective_owner(current_principal(), request.user_id), request)

    async def GetShare(self, request: pb.GetShareRequest, context: Context) -> pb.GetShareResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.GetShareResponse(share=await self._shares.get(owner, UUID(request.share_id)))

    async def ListShares(self, request: pb.ListSharesRequest, context: Context) -> pb.ListSharesResponse:
        owner = effective_owner(current_principal(), request.user_id)
        with self._revisions.seen() as seen:
            shares, token = await self._shares.page(
                owner, request.page_size, request.page_token, active_only=request.active_only
            )
        return pb.ListSharesResponse(shares=shares, next_page_token=token, revision=seen.text)

    async def UpdateShare(self, request: pb.UpdateShareRequest, context: Context) -> pb.UpdateShareResponse:
        refuse_nul(request, "share")
        edit = ShareEdit(
            owner_id=effective_owner(current_principal(), request.user_id),
            share_id=UUID(request.share_id),
            title=request.title if request.HasField("title") else None,
            password=request.password if request.HasField("password") else None,
            new_end=request.HasField("expires_in_seconds") or request.HasField("expire_time"),
            expires_at=expiry_of(request),
            max_uses=request.max_uses if request.HasField("max_uses") else None,
        )
        return pb.UpdateShareResponse(share=await self._shares.update(edit))

    async def RevokeShare(self, request: pb.RevokeShareRequest, context: Context) -> pb.RevokeShareResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.RevokeShareResponse(share=await self._shares.revoke(owner, UUID(request.share_id)))


class GuestAccessServicer(GuestAccessServiceServicer):
    """Converts requests and responses."""

    def __init__(self, access: GuestAccess) -> None:
        self._access = access

    async def AdmitGuest(
        self, request: guest_pb.AdmitGuestRequest, context: Context
    ) -> guest_pb.AdmitGuestResponse:
        share, epoch = await self._access.admit(request.token, request.password)
        return guest_pb.AdmitGuestResponse(share=share, session_epoch=epoch)

    async def GetGuestShare(
        self, request: guest_pb.GetGuestShareRequest, context: Context
    ) -> guest_pb.GetGuestShareResponse:
        share, epoch = await self._access.share(request.token)
        return guest_pb.GetGuestShareResponse(share=share, session_epoch=epoch)
