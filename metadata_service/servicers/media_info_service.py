"""metadata.v1.MediaInfoService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.files.media import Media
from strongroom.metadata.v1 import media_info_service_pb2 as pb
from strongroom.metadata.v1.media_info_service_pb2_grpc import MediaInfoServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class MediaInfoServicer(MediaInfoServiceServicer):
    """Converts requests and responses."""

    def __init__(self, media: Media) -> None:
        self._media = media

    async def ClaimUnread(self, request: pb.ClaimUnreadRequest, context: Context) -> pb.ClaimUnreadResponse:
        return await self._media.claim(request.limit)

    async def ReportMedia(self, request: pb.ReportMediaRequest, context: Context) -> pb.ReportMediaResponse:
        await self._media.report(request)
        return pb.ReportMediaResponse()

    async def GetLocationMasks(
        self, request: pb.GetLocationMasksRequest, context: Context
    ) -> pb.GetLocationMasksResponse:
        masks = await self._media.masks(request.owner_id, UUID(request.file_id), UUID(request.content_id))
        return pb.GetLocationMasksResponse(masks=masks)
