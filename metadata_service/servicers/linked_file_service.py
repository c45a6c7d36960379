"""metadata.v1.LinkedFileService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.files.links import Links
from strongroom.metadata.v1 import linked_file_service_pb2 as pb
from strongroom.metadata.v1.linked_file_service_pb2_grpc import LinkedFileServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class LinkedFileServicer(LinkedFileServiceServicer):
    """Converts requests and responses. Acts for the owner whom a link's token names."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def GetLinkedFile(
        self, request: pb.GetLinkedFileRequest, context: Context
    ) -> pb.GetLinkedFileResponse:
        file = await self._links.linked_file(request.owner_id, UUID(request.file_id), request.stamp)
        return pb.GetLinkedFileResponse(file=file)
