"""metadata.v1.MediaInfoService, ScanService, ArchiveService: what is found out about stored contents.

Internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.archived import ArchiveRestores
from metadata_service.files.media import Media
from metadata_service.scanning import Scanning
from strongroom.metadata.v1 import archive_service_pb2 as archive_pb
from strongroom.metadata.v1 import media_info_service_pb2 as media_pb
from strongroom.metadata.v1 import scan_service_pb2 as scan_pb
from strongroom.metadata.v1.archive_service_pb2_grpc import ArchiveServiceServicer
from strongroom.metadata.v1.media_info_service_pb2_grpc import MediaInfoServiceServicer
from strongroom.metadata.v1.scan_service_pb2_grpc import ScanServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class MediaInfoServicer(MediaInfoServiceServicer):
    """Converts requests and responses."""

    def __init__(self, media: Media) -> None:
        self._media = media

    async def ClaimUnread(
        self, request: media_pb.ClaimUnreadRequest, context: Context
    ) -> media_pb.ClaimUnreadResponse:
        return await self._media.claim(request.limit)

    async def ReportMedia(
        self, request: media_pb.ReportMediaRequest, context: Context
    ) -> media_pb.ReportMediaResponse:
        await self._media.report(request)
        return media_pb.ReportMediaResponse()

    async def GetLocationMasks(
        self, request: media_pb.GetLocationMasksRequest, context: Context
    ) -> media_pb.GetLocationMasksResponse:
        masks = await self._media.masks(request.owner_id, UUID(request.file_id), UUID(request.content_id))
        return media_pb.GetLocationMasksResponse(masks=masks)


class ScanServicer(ScanServiceServicer):
    """Converts requests and responses."""

    def __init__(self, scanning: Scanning) -> None:
        self._scanning = scanning

    async def TakeStock(
        self, request: scan_pb.TakeStockRequest, context: Context
    ) -> scan_pb.TakeStockResponse:
        return scan_pb.TakeStockResponse(
            cursor=await self._scanning.take_stock(request.cursor, request.limit)
        )

    async def ClaimScans(
        self, request: scan_pb.ClaimScansRequest, context: Context
    ) -> scan_pb.ClaimScansResponse:
        contents = await self._scanning.claim(request.database, request.limit)
        return scan_pb.ClaimScansResponse(contents=contents)

    async def ReportScans(
        self, request: scan_pb.ReportScansRequest, context: Context
    ) -> scan_pb.ReportScansResponse:
        await self._scanning.report(request.contents)
        return scan_pb.ReportScansResponse()

    async def ReportRefusal(
        self, request: scan_pb.ReportRefusalRequest, context: Context
    ) -> scan_pb.ReportRefusalResponse:
        await self._scanning.refused(request)
        return scan_pb.ReportRefusalResponse()


class ArchiveServicer(ArchiveServiceServicer):
    """Converts requests and responses."""

    def __init__(self, restores: ArchiveRestores) -> None:
        self._restores = restores

    async def NoteRestore(
        self, request: archive_pb.NoteRestoreRequest, context: Context
    ) -> archive_pb.NoteRestoreResponse:
        await self._restores.note(request.key, request.version_id)
        return archive_pb.NoteRestoreResponse()

    async def ClaimRestores(
        self, request: archive_pb.ClaimRestoresRequest, context: Context
    ) -> archive_pb.ClaimRestoresResponse:
        pause = request.pause.ToTimedelta().total_seconds()
        return archive_pb.ClaimRestoresResponse(contents=await self._restores.claim(request.limit, pause))

    async def ReportRestore(
        self, request: archive_pb.ReportRestoreRequest, context: Context
    ) -> archive_pb.ReportRestoreResponse:
        await self._restores.report(request)
        return archive_pb.ReportRestoreResponse()
