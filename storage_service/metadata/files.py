"""FileService: files as the caller of the request in progress may see them."""

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
    """A file by id, or else by key."""

    file_id: str = ""
    key: str = ""


class FileReader(MetadataClient):
    """Finds files."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._files = FileServiceStub(channel)

    async def get(self, name: FileName, user_id: str) -> File:
        """Raises FileNotFound (also for what belongs to somebody else)."""
        request = GetFileRequest(user_id=user_id)
        if name.file_id:
            request.file_id = name.file_id
        else:
            request.key = name.key
        return (await self._ask(self._files.GetFile, request)).file

    async def named(self, request: DownloadRequest | SignUrlRequest) -> File:
        """The file that a request names (the schema has made sure that it names one). Raises FileNotFound,
        also for one of another family than is asked for.
        """
        file = await self.get(FileName(file_id=request.file_id, key=request.key), request.user_id)
        if request.family and file.family != request.family:
            raise FileNotFound("no such file")
        return file

    async def get_many(self, file_ids: Sequence[str], user_id: str) -> Sequence[File]:
        """Those of them that the caller has."""
        request = BatchGetFilesRequest(file_ids=file_ids, user_id=user_id)
        return (await self._ask(self._files.BatchGetFiles, request)).files

    async def files_below(
        self, prefix: str, user_id: str, *, show_deleted: bool = False
    ) -> AsyncIterator[Sequence[File]]:
        """Pages in key order."""
        request = ListFilesRequest(prefix=prefix, user_id=user_id, page_size=PAGE, show_deleted=show_deleted)
        async for page in self._pages(self._files.ListFiles, request):
            yield page.files


class LinkedFiles(MetadataClient):
    """LinkedFileService: for whom a link's token opens a file."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._linked = LinkedFileServiceStub(channel)

    async def linked_file(self, owner_id: str, file_id: str, stamp: LinkStamp) -> File:
        """What an opened token names. Raises FileNotFound."""
        request = GetLinkedFileRequest(owner_id=owner_id, file_id=file_id, stamp=stamp)
        return (await self._step(self._linked.GetLinkedFile, request)).file
