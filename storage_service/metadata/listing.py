"""metadata_service over gRPC: the adapter of ``archives.downloads.FileLister``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from grpc import aio

from servicekit.channels import call
from servicekit.internal_credential import InternalCredential
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import ListFilesRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub

PAGE = 500


class FileListClient:
    """Implements FileLister."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        self._files = FileServiceStub(channel)
        self._internal = internal

    async def files_below(self, prefix: str, user_id: str) -> AsyncIterator[Sequence[File]]:
        """See FileLister.files_below."""
        request = ListFilesRequest(prefix=prefix, user_id=user_id, page_size=PAGE)
        while True:
            page = await call(self._files.ListFiles, request, internal=self._internal)
            yield page.files
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
