"""ArchiveService: contents that the store was asked to bring back from an archive class."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import archive_service_pb2 as pb
from strongroom.metadata.v1.archive_service_pb2_grpc import ArchiveServiceStub


class ArchiveRecords(MetadataClient):
    """Of all owners, on our own behalf."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = ArchiveServiceStub(channel)

    async def note(self, key: str, version_id: str) -> None:
        """The store was asked for it."""
        await self._step(self._stub.NoteRestore, pb.NoteRestoreRequest(key=key, version_id=version_id))

    async def claim(self, limit: int, pause: timedelta) -> Sequence[pb.ArchivedContent]:
        """Contents that are due for a look, for this caller alone for a while."""
        request = pb.ClaimRestoresRequest(limit=limit)
        request.pause.FromTimedelta(pause)
        return (await self._step(self._stub.ClaimRestores, request)).contents

    async def readable(self, content: pb.ArchivedContent, until: datetime | None) -> None:
        """It has come back; None: for good."""
        request = pb.ReportRestoreRequest(owner_id=content.owner_id, blob_id=content.blob_id, readable=True)
        if until is not None:
            request.readable_until.FromDatetime(until)
        await self._step(self._stub.ReportRestore, request)

    async def given_up(self, content: pb.ArchivedContent) -> None:
        """Nothing brings it back."""
        request = pb.ReportRestoreRequest(owner_id=content.owner_id, blob_id=content.blob_id)
        await self._step(self._stub.ReportRestore, request)
