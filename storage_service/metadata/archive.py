"""ArchiveService: contents that the store was asked to restore from an archive class."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import archive_service_pb2 as pb
from strongroom.metadata.v1.archive_service_pb2_grpc import ArchiveServiceStub


class ArchiveRecords(MetadataClient):
    """Records restores from archive classes, for the contents of all owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = ArchiveServiceStub(channel)

    async def note(self, key: str, version_id: str) -> None:
        """Record that the store was asked to restore this version."""
        await self._step(self._stub.NoteRestore, pb.NoteRestoreRequest(key=key, version_id=version_id))

    async def claim(self, limit: int, pause: timedelta) -> Sequence[pb.ArchivedContent]:
        """Return up to ``limit`` contents that are due for a look; the next look at them is due after
        ``pause``.
        """
        request = pb.ClaimRestoresRequest(limit=limit)
        request.pause.FromTimedelta(pause)
        return (await self._step(self._stub.ClaimRestores, request)).contents

    async def readable(self, content: pb.ArchivedContent, until: datetime | None) -> None:
        """Record that the content has been restored: until that time, or for good (None)."""
        request = pb.ReportRestoreRequest(owner_id=content.owner_id, blob_id=content.blob_id, readable=True)
        if until is not None:
            request.readable_until.FromDatetime(until)
        await self._step(self._stub.ReportRestore, request)

    async def given_up(self, content: pb.ArchivedContent) -> None:
        """Record that the content won't be restored."""
        request = pb.ReportRestoreRequest(owner_id=content.owner_id, blob_id=content.blob_id)
        await self._step(self._stub.ReportRestore, request)
