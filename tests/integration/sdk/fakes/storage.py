"""StorageService in memory, with the rules that a client can observe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import google_crc32c
import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no types published

from strongroom import errors
from strongroom.storage.v1 import batch_pb2, download_pb2, link_pb2, upload_pb2
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceServicer
from tests.integration.sdk.fakes.state import LIMIT, Fault, State

MIB = 1024 * 1024
Context = grpc.aio.ServicerContext[Any, Any]


def metadata_of(context: Context) -> dict[str, str]:
    """The metadata of a call."""
    return {str(key): str(value) for key, value in context.invocation_metadata() or ()}


async def refuse(context: Context, error: errors.StrongroomError) -> None:
    """End the call as the real services do."""
    await context.abort_with_status(rpc_status.to_status(errors.to_status_proto(error)))


class FakeStorage(StorageServiceServicer):
    """Uploads, downloads, copies, deletes and signs."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def Upload(
        self, request_iterator: AsyncIterator[upload_pb2.UploadRequest], context: Context
    ) -> upload_pb2.UploadResponse:
        self._state.calls.append("Upload")
        try:
            return await self._upload(request_iterator, context)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        except asyncio.CancelledError:
            self._state.cancelled += 1
            raise

    async def _upload(
        self, messages: AsyncIterator[upload_pb2.UploadRequest], context: Context
    ) -> upload_pb2.UploadResponse:
        state, fault = self._state, self._state.take(self._state.upload_faults)
        received, spec, finished, owner = bytearray(), None, False, ""
        async for message in messages:
            if spec is None:
                spec = message.spec
                owner = state.owner(metadata_of(context), spec.user_id)
                earlier = state.replies.get((owner, spec.request_id))
                if earlier:
                    return upload_pb2.UploadResponse(file=state.find(owner, earlier[1], "").file)
            self._receive(received, message)
            if fault and not fault.after_commit and len(received) >= fault.after_bytes:
                raise fault.error or errors.Internal("scripted")
            finished = message.finish_write
            if finished:
                break
        if spec is None or not finished:
            self._state.cancelled += 1
            raise errors.UploadIncomplete("The stream ended before finish_write.")
        data = bytes(received)
        check(spec.size_bytes if spec.HasField("size_bytes") else None, message, spec.checksums.md5, data)
        file = state.commit(owner, spec, data)
        state.replies[owner, spec.request_id] = (spec.SerializeToString(deterministic=True), file.id)
        if fault and fault.error:
            raise fault.error
        return upload_pb2.UploadResponse(file=file)

    def _receive(self, received: bytearray, message: upload_pb2.UploadRequest) -> None:
        if message.write_offset != len(received):
            raise errors.OffsetOutOfRange("The chunk does not follow.")
        if message.HasField("crc32c") and google_crc32c.value(message.data) != message.crc32c:
            raise errors.ChecksumMismatch("A chunk is damaged.", metadata={"algorithm": "crc32c"})
        if len(message.data) > MIB:
            raise errors.ChunkTooLarge("Over 1 MiB.")
        received += message.data
        if len(received) > LIMIT:
            raise errors.SizeLimitExceeded("Too large.", metadata={"limit": str(LIMIT), "family": "file"})

    async def Download(
        self, request: download_pb2.DownloadRequest, context: Context
    ) -> AsyncIterator[download_pb2.DownloadResponse]:
        self._state.calls.append("Download")
        try:
            async for message in self._download(request, context):
                yield message
        except (asyncio.CancelledError, GeneratorExit):
            self._state.cancelled += 1
            raise
        except errors.StrongroomError as error:
            await refuse(context, error)

    async def _download(
        self, request: download_pb2.DownloadRequest, context: Context
    ) -> AsyncIterator[download_pb2.DownloadResponse]:
        state = self._state
        fault = None if request.metadata_only else state.take(state.download_faults)
        owner = state.owner(metadata_of(context), request.user_id)
        stored = state.find(owner, request.file_id, request.key)
        file, data = stored.file, stored.data
        if request.if_etag_match and request.if_etag_match != file.etag:
            raise errors.PreconditionFailed("The content was replaced.", metadata={"actual": file.etag})
        if request.version_id and request.version_id != file.version_id:
            raise errors.VersionNotFound("There is no such version.")
        first = request.read_offset if request.read_offset >= 0 else max(0, len(data) + request.read_offset)
        if first > len(data) or (first == len(data) and first > 0):
            raise errors.RangeNotSatisfiable("No such byte.", metadata={"size": str(len(data))})
        wanted = data[first : first + request.read_limit] if request.read_limit else data[first:]
        size = 0 if request.metadata_only else len(wanted)
        yield download_pb2.DownloadResponse(file=file, read_offset=first, read_size=size)
        for start in range(0, size, MIB):
            if fault and start >= fault.after_bytes:
                if fault.error is None:
                    return
                raise fault.error
            yield download_pb2.DownloadResponse(data=state.corrupt(wanted[start : start + MIB]))

    async def DeleteFile(
        self, request: batch_pb2.DeleteFileRequest, context: Context
    ) -> batch_pb2.DeleteFileResponse:
        try:
            owner = self._begin(context, "DeleteFile", request.user_id)
            stored = self._state.find(owner, request.file_id, request.key)
            if (
                request.HasField("if_generation_match")
                and request.if_generation_match != stored.file.generation
            ):
                raise errors.PreconditionFailed("Another generation.")
            if request.soft:
                stored.file.delete_time.GetCurrentTime()
                stored.file.purge_time.FromSeconds(stored.file.delete_time.seconds + 60)
            else:
                del self._state.stored[stored.file.id]
            return batch_pb2.DeleteFileResponse(file=stored.file)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    async def CopyFile(
        self, request: batch_pb2.CopyFileRequest, context: Context
    ) -> batch_pb2.CopyFileResponse:
        try:
            owner = self._begin(context, "CopyFile", request.spec.user_id)
            source = self._state.find(owner, request.source_file_id, "")
            request.spec.filename = request.spec.filename or source.file.filename
            return batch_pb2.CopyFileResponse(file=self._state.commit(owner, request.spec, source.data))
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    async def MoveFile(
        self, request: batch_pb2.MoveFileRequest, context: Context
    ) -> batch_pb2.MoveFileResponse:
        """A repeat under the same request id gets the same answer; the answer may be lost."""
        try:
            owner = self._begin(context, "MoveFile", request.spec.user_id)
            asked = (request.spec.request_id, request.asked)
            if asked not in self._state.moved:
                source = self._state.find(owner, request.source_file_id, "")
                del self._state.stored[source.file.id]
                self._state.moved[asked] = self._state.commit(owner, request.spec, source.data)
            if self._state.lost_answers:
                raise self._state.lost_answers.pop(0)
            return batch_pb2.MoveFileResponse(file=self._state.moved[asked])
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    async def SignLinks(
        self, request: link_pb2.SignLinksRequest, context: Context
    ) -> link_pb2.SignLinksResponse:
        try:
            owner = self._begin(context, "SignLinks", request.user_id)
            name = next(iter([*request.file_ids, *request.keys]))
            file = self._state.find(owner, *((name, "") if request.file_ids else ("", name))).file
            link = link_pb2.Link(url=f"/l/{request.scope}.{request.attachment}/{file.filename}")
            if request.expires_in_seconds:
                link.expire_time.FromSeconds(file.create_time.seconds + request.expires_in_seconds)
            return link_pb2.SignLinksResponse(links={name: link})
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    async def SignUrl(
        self, request: download_pb2.SignUrlRequest, context: Context
    ) -> download_pb2.SignUrlResponse:
        try:
            owner = self._begin(context, "SignUrl", request.user_id)
            file = self._state.find(owner, request.file_id, request.key).file
            seconds = request.expires_in_seconds or 3600
            how = f"{request.method}.{request.disposition}.{seconds}"
            end = Timestamp(seconds=file.create_time.seconds + seconds)
            return download_pb2.SignUrlResponse(
                url=f"http://store.test/{file.key}?signed={how}",
                expire_time=end,
                expires_in_seconds=seconds,
                file=file,
            )
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    def _begin(self, context: Context, name: str, user_id: str) -> str:
        self._state.calls.append(name)
        raise_fault(self._state.take(self._state.unary_faults))
        return self._state.owner(metadata_of(context), user_id)


def raise_fault(fault: Fault | None) -> None:
    """Raise the scripted fault."""
    if fault and fault.error:
        raise fault.error


def check(size: int | None, last: upload_pb2.UploadRequest, md5: bytes, data: bytes) -> None:
    """Verify size and checksums of the whole file before it becomes visible."""
    import hashlib

    if size is not None and size != len(data):
        raise errors.SizeMismatch("Not as many bytes as declared.")
    if last.object_checksums.crc32c != google_crc32c.value(data):
        raise errors.ChecksumMismatch("The whole is damaged.", metadata={"algorithm": "crc32c"})
    if md5 and hashlib.md5(data).digest() != md5:
        raise errors.ChecksumMismatch("The MD5 differs.", metadata={"algorithm": "md5"})
