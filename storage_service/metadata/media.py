"""MediaInfoService: which files are to be read, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import media_info_service_pb2 as pb
from strongroom.metadata.v1.file_pb2 import File, MediaInfo
from strongroom.metadata.v1.media_info_service_pb2_grpc import MediaInfoServiceStub


class MediaRecords(MetadataClient):
    """Of all owners, on our own behalf."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = MediaInfoServiceStub(channel)

    async def claim(self, limit: int) -> pb.ClaimUnreadResponse:
        """Unread files, for this caller alone for a minute or more."""
        return await self._step(self._stub.ClaimUnread, pb.ClaimUnreadRequest(limit=limit))

    async def report(self, file: File, media: MediaInfo, masks: Sequence[pb.LocationMask]) -> None:
        """What was read of this content of the file."""
        request = pb.ReportMediaRequest(
            owner_id=file.owner_id,
            file_id=file.id,
            content_id=file.link_stamp.content_id,
            media=media,
            masks=masks,
        )
        await self._step(self._stub.ReportMedia, request)

    async def masks(self, file: File) -> Sequence[pb.LocationMask]:
        """Which of its bytes say where it was taken."""
        request = pb.GetLocationMasksRequest(
            owner_id=file.owner_id, file_id=file.id, content_id=file.link_stamp.content_id
        )
        return (await self._step(self._stub.GetLocationMasks, request)).masks
