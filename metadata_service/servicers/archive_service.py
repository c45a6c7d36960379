"""metadata.v1.ArchiveService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc import aio
from grpc.aio import ServicerContext

from metadata_service.archived import ArchiveRestores
from metadata_service.db.database import Database
from strongroom.metadata.v1 import archive_service_pb2 as pb
from strongroom.metadata.v1.archive_service_pb2_grpc import (
    ArchiveServiceServicer,
    add_ArchiveServiceServicer_to_server,
)

Context: TypeAlias = "ServicerContext[object, object]"


class ArchiveServicer(ArchiveServiceServicer):
    """Converts requests and responses."""

    def __init__(self, restores: ArchiveRestores) -> None:
        self._restores = restores

    async def NoteRestore(self, request: pb.NoteRestoreRequest, context: Context) -> pb.NoteRestoreResponse:
        await self._restores.note(request.key, request.version_id)
        return pb.NoteRestoreResponse()

    async def ClaimRestores(
        self, request: pb.ClaimRestoresRequest, context: Context
    ) -> pb.ClaimRestoresResponse:
        pause = request.pause.ToTimedelta().total_seconds()
        return pb.ClaimRestoresResponse(contents=await self._restores.claim(request.limit, pause))

    async def ReportRestore(
        self, request: pb.ReportRestoreRequest, context: Context
    ) -> pb.ReportRestoreResponse:
        await self._restores.report(request)
        return pb.ReportRestoreResponse()


def add_archive_service(database: Database, server: aio.Server) -> None:
    """Register the service."""
    add_ArchiveServiceServicer_to_server(ArchiveServicer(ArchiveRestores(database)), server)
