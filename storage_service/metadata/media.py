"""MediaInfoService: files whose media metadata is to be read, and the results."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import media_info_service_pb2 as pb
from strongroom.metadata.v1.file_pb2 import File, MediaInfo
from strongroom.metadata.v1.media_info_service_pb2_grpc import MediaInfoServiceStub


class MediaRecords(MetadataClient):
    """Records media metadata, for the files of all owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = MediaInfoServiceStub(channel)

    async def claim(self, limit: int) -> pb.ClaimUnreadResponse:
        """Return up to ``limit`` unread files, claimed by this caller for at least a minute."""
        return await self._step(self._stub.ClaimUnread, pb.ClaimUnreadRequest(limit=limit))

    async def report(self, file: File, media: MediaInfo, masks: Sequence[pb.LocationMask]) -> None:
        """Store what was read from this content of the file."""
        request = pb.ReportMediaRequest(
            owner_id=file.owner_id,
            file_id=file.id,
            content_id=file.link_stamp.content_id,
            media=media,
            masks=masks,
        )
        await self._step(self._stub.ReportMedia, request)

    async def masks(self, file: File) -> Sequence[pb.LocationMask]:
        """Return the ranges of the file's bytes that contain a location."""
        request = pb.GetLocationMasksRequest(
            owner_id=file.owner_id, file_id=file.id, content_id=file.link_stamp.content_id
        )
        return (await self._step(self._stub.GetLocationMasks, request)).masks
