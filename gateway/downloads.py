"""A file's bytes as an answer: ranges, conditions, and chunks passed straight from gRPC to the connection."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.backend import DownloadCall, DownloadMessage, Storage
from gateway.call import Call
from gateway.conditional import CONDITIONS, Outcome, Validators, evaluate, range_applies
from gateway.headers import content_headers, preview_headers
from gateway.problems import ClientGone
from gateway.ranges import ByteRange, content_range, parse_range
from gateway.reply import Header, Reply, header
from strongroom.errors import FileNotFound, Internal, PreconditionFailed, StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import GetFileRequest
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.project_service_pb2 import GetProjectFileRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, DownloadResponse

#: The bytes belong to one user, and a stored copy is asked about before it is used again.
CACHE_CONTROL: Final = "private, no-cache"
#: How long storage_service may take to end a call after its last byte. Seconds.
END_SECONDS: Final = 5.0


class Truncated(Exception):
    """The bytes ended early after the answer had begun: the connection must be closed, not the answer
    finished.
    """


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which file an answer is about, and how.

    ``attachment``: even types that are safe inline. ``preview``: inline whatever it is, in a sandbox.
    """

    request: DownloadRequest
    attachment: bool = False
    preview: bool = False


async def file_reply(call: Call, wanted: Wanted) -> Reply:
    """The answer to GET or HEAD of a file's bytes.

    Plain and ranged GETs cost one call to storage_service. Conditions and HEAD ask metadata_service first;
    the download is then tied to the entity tag that was judged.

    :raises StrongroomError: not found, range not satisfiable, precondition failed, … :raises ClientGone: the
        client left.
    """
    head = call.scope["method"] == "HEAD"
    byte_range = None if head else parse_range(call.header("range"))
    if not head and not any(call.header(name) is not None for name in CONDITIONS):
        return await _stream(call, wanted, byte_range)
    file = await _look_up(call, wanted.request)
    validators = validators_of(file)
    outcome = evaluate(call.header, validators)
    if outcome is Outcome.FAILED:
        raise PreconditionFailed(
            "The file is not the one that If-Match or If-Unmodified-Since names.",
            metadata={"actual": file.etag},
        )
    if outcome is Outcome.NOT_MODIFIED:
        return Reply(304, b"", _validator_headers(file))
    if head:
        return _HeadReply(200, _headers(call, wanted, file), file.size_bytes)
    if byte_range is not None and not range_applies(call.header("if-range"), validators):
        byte_range = None
    wanted.request.if_etag_match = file.etag
    return await _stream(call, wanted, byte_range)


def validators_of(file: File) -> Validators:
    """Entity tag and date of a file, for conditions."""
    return Validators(file.etag, datetime.fromtimestamp(_modified(file).seconds, UTC))


def _modified(file: File) -> Timestamp:
    return file.update_time if file.HasField("update_time") else file.create_time


async def _look_up(call: Call, wanted: DownloadRequest) -> File:
    """The file that a download is about. A family other than the one asked for does not exist
    for this route.
    """
    metadata = call.services.metadata
    request = GetFileRequest(user_id=wanted.user_id)
    match wanted.WhichOneof("name"):
        case "project_file":
            name = wanted.project_file
            in_project = GetProjectFileRequest(
                slug=name.slug, version=name.version, path=name.path, user_id=wanted.user_id
            )
            found = await metadata.unary(call, metadata.projects.GetProjectFile, in_project)
            return as_file(found.file)
        case "key":
            request.key = wanted.key
        case _:
            request.file_id = wanted.file_id
    file = (await metadata.unary(call, metadata.files.GetFile, request)).file
    if wanted.family and file.family != wanted.family:
        raise file_not_found()
    return file


def as_file(found: ProjectFile) -> File:
    """A project's file as other files are answered: named by the last part of its path."""
    return File(
        key=found.key,
        filename=found.path.rpartition("/")[2],
        content_type=found.content_type,
        size_bytes=found.size_bytes,
        etag=found.etag,
        version_id=found.version_id,
        update_time=found.create_time,
    )


def file_not_found() -> StrongroomError:
    """The error for a file that is not there, or not for this caller."""
    return FileNotFound("There is no such file.")


async def _stream(call: Call, wanted: Wanted, byte_range: ByteRange | None) -> Reply:
    if byte_range is not None:
        wanted.request.read_offset = byte_range.offset
        wanted.request.read_limit = byte_range.limit
    storage = call.services.storage
    stream = _Stream(call, storage, storage.download(call, wanted.request))
    first = await stream.first()
    file = first.file if first.HasField("file") else as_file(first.project_file)
    headers = _headers(call, wanted, file)
    headers.append(header("content-length", first.read_size))
    status = 200
    if byte_range is not None and file.size_bytes:
        status = 206
        headers.append(
            header("content-range", content_range(first.read_offset, first.read_size, file.size_bytes))
        )
    return _StreamReply(status, headers, stream, first.read_size)


def _headers(call: Call, wanted: Wanted, file: File) -> list[Header]:
    corp = call.services.settings.corp
    if wanted.preview:
        about_content = preview_headers(file.content_type)
    else:
        about_content = content_headers(
            file.content_type, file.filename, corp=corp, attachment=wanted.attachment
        )
    return [*_validator_headers(file), header("accept-ranges", "bytes"), *about_content]


def _validator_headers(file: File) -> list[Header]:
    validators = validators_of(file)
    found = [
        header("last-modified", validators.modified_header),
        header("cache-control", CACHE_CONTROL),
        header("vary", "Authorization"),
    ]
    if validators.etag_header:
        found.append(header("etag", validators.etag_header))
    return found


class _HeadReply(Reply):
    """GET's headers without its bytes."""

    def __init__(self, status: int, headers: list[Header], size: int) -> None:
        super().__init__(status, b"", [*headers, header("content-length", size)])

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Stream:
    """A running Download, cancelled as soon as the client goes away."""

    def __init__(self, call: Call, storage: Storage, rpc: DownloadCall) -> None:
        self._client = call.client
        self._storage = storage
        self._rpc: Any = rpc

    async def first(self) -> DownloadResponse:
        """The message that says what follows."""
        try:
            message = await self.read()
        except BaseException:
            self.close()
            raise
        if not isinstance(message, DownloadResponse):
            self.close()
            raise Internal("storage_service sent bytes before saying of which file.")
        return message

    async def read(self) -> DownloadMessage | None:
        """The next message; None at the end.

        :raises StrongroomError: storage_service failed. :raises ClientGone: the client left.
        """
        try:
            with self._client.cancels(self._rpc):
                message = await self._rpc.read()
        except aio.AioRpcError as error:
            raise self._storage.error(error) from None
        found: DownloadMessage | None = None if message is aio.EOF else message
        return found

    async def finish(self) -> None:
        """All bytes have come: let the call end by itself, so that nobody counts it as cancelled."""
        with contextlib.suppress(StrongroomError, ClientGone, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self.read()

    def close(self) -> None:
        """End the call; does nothing to one that is over."""
        self._rpc.cancel()


class _StreamReply(Reply):
    """Bytes from a running Download, one message in memory at a time: ``send`` waits while the client reads
    slowly.
    """

    def __init__(self, status: int, headers: list[Header], stream: _Stream, size: int) -> None:
        super().__init__(status, b"", headers)
        self._stream = stream
        self._size = size

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            missing = self._size
            while missing:
                missing -= await self._pass_on(missing, send)
            if not self._size:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            await self._stream.finish()
        finally:
            self._stream.close()

    async def _pass_on(self, missing: int, send: Send) -> int:
        """Send the next message on; answers its size."""
        try:
            message = await self._stream.read()
        except StrongroomError as error:
            raise Truncated(f"{missing} bytes before the end: {error.reason_name}") from error
        if message is None:
            raise Truncated(f"{missing} bytes before the end: the stream ended")
        size = len(message.data)
        if size > missing:
            raise Truncated("more bytes than announced")
        await send({"type": "http.response.body", "body": message.data, "more_body": size < missing})
        return size
