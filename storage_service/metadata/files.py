"""FileService: files, as far as the caller of the request in progress may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.errors import FileNotFound
from strongroom.metadata.v1.file_pb2 import File, LinkStamp
from strongroom.metadata.v1.file_service_pb2 import BatchGetFilesRequest, GetFileRequest, ListFilesRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from strongroom.metadata.v1.linked_file_service_pb2 import GetLinkedFileRequest
from strongroom.metadata.v1.linked_file_service_pb2_grpc import LinkedFileServiceStub
from strongroom.storage.v1.download_pb2 import DownloadRequest, SignUrlRequest

PAGE = 500


@dataclass(frozen=True, slots=True)
class FileName:
    """A file's id, or else its key."""

    file_id: str = ""
    key: str = ""


class FileReader(MetadataClient):
    """Reads files."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._files = FileServiceStub(channel)

    async def get(self, name: FileName, user_id: str) -> File:
        """Return a file. Raises FileNotFound (also for another user's file)."""
        request = GetFileRequest(user_id=user_id)
        if name.file_id:
            request.file_id = name.file_id
        else:
            request.key = name.key
        return (await self._ask(self._files.GetFile, request)).file

    async def named(self, request: DownloadRequest | SignUrlRequest) -> File:
        """Return the file that a request names; the schema guarantees that it names one.

        Raises FileNotFound, also if the file is of another family than the request says.
        """
        file = await self.get(FileName(file_id=request.file_id, key=request.key), request.user_id)
        if request.family and file.family != request.family:
            raise FileNotFound("no such file")
        return file

    async def get_many(self, file_ids: Sequence[str], user_id: str) -> Sequence[File]:
        """Return those of the files that exist and belong to the user."""
        request = BatchGetFilesRequest(file_ids=file_ids, user_id=user_id)
        return (await self._ask(self._files.BatchGetFiles, request)).files

    async def files_below(
        self, prefix: str, user_id: str, *, show_deleted: bool = False
    ) -> AsyncIterator[Sequence[File]]:
        """Yield pages of the files whose key begins with ``prefix``, in key order."""
        request = ListFilesRequest(prefix=prefix, user_id=user_id, page_size=PAGE, show_deleted=show_deleted)
        async for page in self._pages(self._files.ListFiles, request):
            yield page.files


class LinkedFiles(MetadataClient):
    """LinkedFileService: reads the file of a link."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._linked = LinkedFileServiceStub(channel)

    async def linked_file(self, owner_id: str, file_id: str, stamp: LinkStamp) -> File:
        """Return the file that a verified token names. Raises FileNotFound."""
        request = GetLinkedFileRequest(owner_id=owner_id, file_id=file_id, stamp=stamp)
        return (await self._step(self._linked.GetLinkedFile, request)).file
