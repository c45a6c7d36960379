"""StorageService and FileService over a MemoryStore, with faults that tests can switch on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.errors import (
    MalformedRequest,
    PreconditionFailed,
    RangeNotSatisfiable,
    SizeLimitExceeded,
    StrongroomError,
    UploadIncomplete,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import (
    GetFileRequest,
    GetFileResponse,
    ListFilesRequest,
    ListFilesResponse,
)
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceServicer
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.batch_pb2 import DeleteFileRequest, DeleteFileResponse
from strongroom.storage.v1.download_pb2 import (
    DownloadRequest,
    DownloadResponse,
    SignUrlRequest,
    SignUrlResponse,
)
from strongroom.storage.v1.link_pb2 import Link, SignLinksRequest, SignLinksResponse
from strongroom.storage.v1.project_pb2 import (
    SaveProjectArchiveRequest,
    SaveProjectArchiveResponse,
    SaveProjectRequest,
    SaveProjectResponse,
)
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceServicer
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from tests.integration.gateway.fakes.store import MemoryStore, verify_checksums

CHUNK = 1024 * 1024

Saved = TypeVar("Saved", SaveProjectResponse, SaveProjectArchiveResponse)


@dataclass
class Faults:
    """Faults to inject, and observations.

    ``gate``: while cleared, nothing is read or sent. ``fail_after``: raise ``error`` after this many bytes.
    ``open_streams``: running uploads and downloads; ``ended_early``: those given up by their callers.
    ``chunks``: data sizes of all Upload messages. ``received``: bytes of uploads so far.
    """

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: StrongroomError | None = None
    fail_after: int = 0
    open_streams: int = 0
    ended_early: int = 0
    received: int = 0
    chunks: list[int] = field(default_factory=list)
    provisional: list[bool] = field(default_factory=list)
    deadlines: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    async def pass_bytes(self, total: int) -> None:
        """Wait at the gate, and fail if required."""
        await self.gate.wait()
        if self.error is not None and total >= self.fail_after:
            raise self.error


class FakeStorage(StorageServiceServicer):
    """storage_service. Keeps whole bodies: tests send small ones, or only count (``keep`` False)."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.faults = Faults()
        self.keep = True
        self.sign_error: StrongroomError | None = None
        self.signs_uploads = True
        self.urls_wanted: list[bool] = []
        self.signed = 0

    async def Upload(self, request_iterator: AsyncIterator[UploadRequest], context: Any) -> UploadResponse:
        self.faults.open_streams += 1
        self.faults.deadlines.append(context.time_remaining())
        try:
            return await self._upload(request_iterator)
        except (asyncio.CancelledError, UploadIncomplete):
            self.faults.ended_early += 1
            raise
        finally:
            self.faults.open_streams -= 1

    async def _upload(self, requests: AsyncIterator[UploadRequest]) -> UploadResponse:
        data, size = bytearray(), 0
        spec: UploadSpec | None = None
        provisional = False
        await self.faults.pass_bytes(0)
        async for message in requests:
            if spec is None:
                if message.WhichOneof("first_message") != "spec":
                    raise MalformedRequest("The first message must carry spec.")
                spec, provisional = message.spec, message.provisional_target
                self.urls_wanted.append(message.sign_url)
                self.faults.provisional.append(provisional)
            elif message.HasField("spec"):
                if not (provisional and message.finish_write):
                    raise MalformedRequest("Another spec only with finish_write, after a provisional one.")
                spec = message.spec
            if message.write_offset != size:
                raise MalformedRequest(f"Offset {message.write_offset}, expected {size}.")
            size += len(message.data)
            self.faults.received += len(message.data)
            self.faults.chunks.append(len(message.data))
            if size > self.store.limit:
                raise SizeLimitExceeded(
                    f"Files take at most {self.store.limit} bytes.",
                    metadata={"limit": str(self.store.limit), "family": "file"},
                )
            if self.keep:
                data += message.data
            await self.faults.pass_bytes(size)
            if message.finish_write:
                verify_checksums(message.object_checksums, bytes(data))
                file = self.store.commit(spec, bytes(data))
                return UploadResponse(file=file, url=self._link(file) if self.signs_uploads else "")
        raise UploadIncomplete("The stream ended without finish_write.")

    async def SaveProject(
        self, request_iterator: AsyncIterator[SaveProjectRequest], context: Any
    ) -> SaveProjectResponse:
        """Reads the messages and saves nothing."""
        return await self._saved(request_iterator, SaveProjectResponse())

    async def SaveProjectArchive(
        self, request_iterator: AsyncIterator[SaveProjectArchiveRequest], context: Any
    ) -> SaveProjectArchiveResponse:
        return await self._saved(request_iterator, SaveProjectArchiveResponse())

    async def _saved(
        self,
        requests: AsyncIterator[SaveProjectRequest] | AsyncIterator[SaveProjectArchiveRequest],
        answer: Saved,
    ) -> Saved:
        self.faults.open_streams += 1
        size = 0
        try:
            async for message in requests:
                size += len(message.data)
                self.faults.received += len(message.data)
                await self.faults.pass_bytes(size)
                if message.finish_write:
                    return answer
            raise UploadIncomplete("The stream ended without finish_write.")
        finally:
            self.faults.open_streams -= 1

    async def Download(self, request: DownloadRequest, context: Any) -> AsyncIterator[DownloadResponse]:
        self.faults.open_streams += 1
        try:
            async for message in self._download(request):
                yield message
        except (asyncio.CancelledError, GeneratorExit):
            self.faults.ended_early += 1
            raise
        finally:
            self.faults.open_streams -= 1

    async def _download(self, request: DownloadRequest) -> AsyncIterator[DownloadResponse]:
        file, data = self.store.find(request.key or request.file_id, request.user_id)
        if request.if_etag_match and request.if_etag_match != file.etag:
            raise PreconditionFailed("The content has changed.", metadata={"actual": file.etag})
        size = len(data)
        start = max(0, size + request.read_offset) if request.read_offset < 0 else request.read_offset
        if start >= size and (request.read_offset or request.read_limit):
            raise RangeNotSatisfiable(f"The file has {size} bytes.", metadata={"size": str(size)})
        end = min(size, start + request.read_limit) if request.read_limit else size
        yield DownloadResponse(file=file, read_offset=start, read_size=end - start)
        for offset in range(start, end, CHUNK):
            await self.faults.pass_bytes(offset - start)
            yield DownloadResponse(data=data[offset : min(end, offset + CHUNK)])

    @staticmethod
    def _url(file: File) -> str:
        return f"https://store.test/{file.key}?X-Amz-Signature=0"

    @staticmethod
    def _link(file: File) -> str:
        return f"/l/{file.id}/x"

    async def SignUrl(self, request: SignUrlRequest, context: Any) -> SignUrlResponse:
        await self.faults.gate.wait()
        self.signed += 1
        if self.sign_error is not None:
            raise self.sign_error
        file, _ = self.store.find(request.key or request.file_id, request.user_id)
        seconds = request.expires_in_seconds or 3600
        expires = Timestamp()
        expires.GetCurrentTime()
        expires.seconds += seconds
        return SignUrlResponse(
            url=self._url(file),
            expire_time=expires,
            expires_in_seconds=seconds,
            file=file,
        )

    async def SignLinks(self, request: SignLinksRequest, context: Any) -> SignLinksResponse:
        self.signed += 1
        if self.sign_error is not None:
            raise self.sign_error
        return SignLinksResponse(links={name: Link(url=f"/l/{name}/x") for name in request.file_ids})

    async def DeleteFile(self, request: DeleteFileRequest, context: Any) -> DeleteFileResponse:
        generation = request.if_generation_match if request.HasField("if_generation_match") else None
        name = request.key or request.file_id
        return DeleteFileResponse(file=self.store.delete(name, request.user_id, generation))


class FakeFiles(FileServiceServicer):
    """FileService of metadata_service."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.faults = Faults()

    async def GetFile(self, request: GetFileRequest, context: Any) -> GetFileResponse:
        await self.faults.pass_bytes(0)
        return GetFileResponse(file=self.store.find(request.key or request.file_id, request.user_id)[0])

    async def ListFiles(self, request: ListFilesRequest, context: Any) -> ListFilesResponse:
        self.faults.open_streams += 1
        self.faults.deadlines.append(context.time_remaining())
        try:
            await self.faults.pass_bytes(0)
        except asyncio.CancelledError:
            self.faults.ended_early += 1
            raise
        finally:
            self.faults.open_streams -= 1
        size = min(request.page_size or 100, 1000)
        files, token = self.store.page(request.prefix, size, request.page_token, request.user_id)
        return ListFilesResponse(files=files, next_page_token=token)
