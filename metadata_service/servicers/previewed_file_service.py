"""metadata.v1.PreviewedFileService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.projects.queries import ProjectQueries
from strongroom.metadata.v1 import previewed_file_service_pb2 as pb
from strongroom.metadata.v1.previewed_file_service_pb2_grpc import PreviewedFileServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class PreviewedFileServicer(PreviewedFileServiceServicer):
    """Converts requests and responses. Acts for the owner whom a verified preview token names."""

    def __init__(self, queries: ProjectQueries) -> None:
        self._queries = queries

    async def GetPreviewedFile(
        self, request: pb.GetPreviewedFileRequest, context: Context
    ) -> pb.GetPreviewedFileResponse:
        file, _ = await self._queries.shown_file(
            request.owner_id, request.slug, request.version, request.path, request.project_id
        )
        return pb.GetPreviewedFileResponse(file=file)
