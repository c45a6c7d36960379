"""MediaInfoService, ScanService, ArchiveService: stored contents that are due for a look, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import archive_service_pb2 as archive_pb
from strongroom.metadata.v1 import media_info_service_pb2 as media_pb
from strongroom.metadata.v1 import scan_service_pb2 as scan_pb
from strongroom.metadata.v1.archive_service_pb2_grpc import ArchiveServiceStub
from strongroom.metadata.v1.file_pb2 import File, MediaInfo
from strongroom.metadata.v1.media_info_service_pb2_grpc import MediaInfoServiceStub
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.scan_service_pb2_grpc import ScanServiceStub


class MediaRecords(MetadataClient):
    """Records media metadata, for the files of all owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = MediaInfoServiceStub(channel)

    async def claim(self, limit: int) -> media_pb.ClaimUnreadResponse:
        """Return up to ``limit`` unread files, claimed by this caller for at least a minute."""
        return await self._step(self._stub.ClaimUnread, media_pb.ClaimUnreadRequest(limit=limit))

    async def report(self, file: File, media: MediaInfo, masks: Sequence[media_pb.LocationMask]) -> None:
        """Store what was read from this content of the file."""
        request = media_pb.ReportMediaRequest(
            owner_id=file.owner_id,
            file_id=file.id,
            content_id=file.link_stamp.content_id,
            media=media,
            masks=masks,
        )
        await self._step(self._stub.ReportMedia, request)

    async def masks(self, file: File) -> Sequence[media_pb.LocationMask]:
        """Return the ranges of the file's bytes that contain a location."""
        request = media_pb.GetLocationMasksRequest(
            owner_id=file.owner_id, file_id=file.id, content_id=file.link_stamp.content_id
        )
        return (await self._step(self._stub.GetLocationMasks, request)).masks


class ScanRecords(MetadataClient):
    """Records scans, for the contents of all owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = ScanServiceStub(channel)

    async def take_stock(self, cursor: str, limit: int) -> str:
        """Record the next contents that were never scanned. Return the next cursor, ``""`` at the end."""
        request = scan_pb.TakeStockRequest(cursor=cursor, limit=limit)
        return (await self._step(self._stub.TakeStock, request)).cursor

    async def claim(self, database: str, limit: int) -> Sequence[scan_pb.StoredContent]:
        """Return contents not scanned with this signature database yet, claimed by this caller for a
        while.
        """
        request = scan_pb.ClaimScansRequest(database=database, limit=limit)
        return (await self._step(self._stub.ClaimScans, request)).contents

    async def report(self, content: scan_pb.StoredContent, scan: Scan) -> None:
        """Record the result of a scan."""
        found = scan_pb.ScannedContent(owner_id=content.owner_id, blob_id=content.blob_id, scan=scan)
        await self._step(self._stub.ReportScans, scan_pb.ReportScansRequest(contents=[found]))

    async def refused(self, request: scan_pb.ReportRefusalRequest) -> None:
        """Record that an upload was refused because it is infected."""
        await self._step(self._stub.ReportRefusal, request)


class ArchiveRecords(MetadataClient):
    """Records restores from archive classes, for the contents of all owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = ArchiveServiceStub(channel)

    async def note(self, key: str, version_id: str) -> None:
        """Record that the store was asked to restore this version."""
        await self._step(
            self._stub.NoteRestore, archive_pb.NoteRestoreRequest(key=key, version_id=version_id)
        )

    async def claim(self, limit: int, pause: timedelta) -> Sequence[archive_pb.ArchivedContent]:
        """Return up to ``limit`` contents that are due for a look; the next look at them is due after
        ``pause``.
        """
        request = archive_pb.ClaimRestoresRequest(limit=limit)
        request.pause.FromTimedelta(pause)
        return (await self._step(self._stub.ClaimRestores, request)).contents

    async def readable(self, content: archive_pb.ArchivedContent, until: datetime | None) -> None:
        """Record that the content has been restored: until that time, or for good (None)."""
        request = archive_pb.ReportRestoreRequest(
            owner_id=content.owner_id, blob_id=content.blob_id, readable=True
        )
        if until is not None:
            request.readable_until.FromDatetime(until)
        await self._step(self._stub.ReportRestore, request)

    async def given_up(self, content: archive_pb.ArchivedContent) -> None:
        """Record that the content won't be restored."""
        request = archive_pb.ReportRestoreRequest(owner_id=content.owner_id, blob_id=content.blob_id)
        await self._step(self._stub.ReportRestore, request)
