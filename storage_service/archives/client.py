"""metadata_service over gRPC: the adapter of ``archives.downloads.FileLister``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from grpc import aio

from servicekit.channels import call
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import ListFilesRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub

PAGE = 500


class FileListClient:
    """Implements FileLister."""

    def __init__(self, channel: aio.Channel) -> None:
        self._files = FileServiceStub(channel)

    async def files_below(self, prefix: str, user_id: str) -> AsyncIterator[Sequence[File]]:
        """See FileLister.files_below."""
        request = ListFilesRequest(prefix=prefix, user_id=user_id, page_size=PAGE)
        while True:
            page = await call(self._files.ListFiles, request)
            yield page.files
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
