"""A file's bytes as a response: ranges, conditions, and chunks passed directly from gRPC to the
connection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.http.conditional import (
    CONDITIONS,
    ByteRange,
    Outcome,
    Validators,
    evaluate,
    parse_range,
    range_applies,
)
from gateway.http.headers import content_headers, digest_headers, preview_headers
from gateway.http.reply import Header, Reply, header
from gateway.upstream.backend import DownloadMessage
from gateway.upstream.call import Call
from gateway.upstream.rpcs import GET_FILE, GET_PROJECT_FILE
from gateway.upstream.streaming import (
    Announcement,
    HeadReply,
    Stream,
    StreamReply,
    not_the_file_named,
    unannounced_bytes,
    validator_headers,
)
from servicekit.context import note_file
from servicekit.presentation import with_charset
from servicekit.unreadable import refuse_unreadable
from strongroom.errors import FileNotFound, StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import GetFileRequest
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.project_service_pb2 import GetProjectFileRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, DownloadResponse


@dataclass(frozen=True, slots=True)
class Wanted:
    """The requested file, and how to serve it.

    ``attachment``: even if its type is safe inline. ``preview``: inline in a sandbox, whatever its type.
    """

    request: DownloadRequest
    attachment: bool = False
    preview: bool = False


class FileAnswer(ABC):
    """A file in response to GET or HEAD: how to look it up, open it, and describe it in headers.

    ``leads_on``: its bytes may be read elsewhere, so it is looked up each time.
    """

    leads_on = False

    def __init__(self, call: Call) -> None:
        self.call = call

    @abstractmethod
    async def look_up(self) -> File:
        """The file, without its bytes."""

    @abstractmethod
    async def open(self, byte_range: ByteRange | None, etag: str) -> tuple[Stream[Any], Announcement, File]:
        """Start the download. ``etag``: required entity tag, if conditions were evaluated with it."""

    @abstractmethod
    def validators(self, file: File) -> list[Header]:
        """The headers that a 304 repeats."""

    @abstractmethod
    def headers(self, file: File, *, whole: bool = True) -> list[Header]:
        """All headers. ``whole``: the response is the whole file, so its checksum is included."""

    def elsewhere(self) -> Reply | None:
        """The response that leads to where the bytes are, after the look-up; None: they are served here."""
        return None


async def answer_reply(answer: FileAnswer) -> Reply:
    """The response to GET or HEAD of a file's bytes.

    Plain and ranged GETs cost one call to storage_service. Conditions and HEAD need a look-up; the download
    is then bound to the entity tag that was compared.

    :raises StrongroomError: not found, range not satisfiable, precondition failed, …
    :raises ClientGone: the client disconnected.
    """
    call = answer.call
    head = call.scope["method"] == "HEAD"
    byte_range, etag = None if head else parse_range(call.header("range")), ""
    if head or answer.leads_on or any(call.header(name) is not None for name in CONDITIONS):
        file = await answer.look_up()
        refuse_unreadable(file, lost=head)  # HEAD and conditional requests get the errors of GET
        validators = validators_of(file)
        outcome = evaluate(call.header, validators)
        if outcome is Outcome.FAILED:
            raise not_the_file_named(file.etag)
        if outcome is Outcome.NOT_MODIFIED:
            return Reply(304, b"", answer.validators(file))
        if head:
            return HeadReply(answer.headers(file), file.size_bytes)
        if elsewhere := answer.elsewhere():
            return elsewhere
        if byte_range is not None and not range_applies(call.header("if-range"), validators):
            byte_range = None
        etag = file.etag
    stream, first, file = await answer.open(byte_range, etag)
    headers = answer.headers(file, whole=byte_range is None or not file.size_bytes)
    return StreamReply(headers, stream, first, total=file.size_bytes, ranged=byte_range is not None)


async def file_reply(call: Call, wanted: Wanted) -> Reply:
    """The response to GET or HEAD of one of the caller's files; see ``answer_reply``."""
    return await answer_reply(_Own(call, wanted))


def validators_of(file: File) -> Validators:
    """Entity tag and date of a file, for conditions."""
    modified = file.update_time if file.HasField("update_time") else file.create_time
    return Validators(file.etag, datetime.fromtimestamp(modified.seconds, UTC))


def as_file(found: ProjectFile) -> File:
    """A project's file in the form of other files, named by the last segment of its path."""
    file = File(
        key=found.key,
        filename=found.path.rpartition("/")[2],
        content_type=found.content_type,
        charset=found.charset,
        size_bytes=found.size_bytes,
        etag=found.etag,
        version_id=found.version_id,
        update_time=found.create_time,
        crc32c=found.crc32c,
        data_loss=found.data_loss,
    )
    if found.HasField("scan"):
        file.scan.CopyFrom(found.scan)
    return file


def file_not_found() -> StrongroomError:
    """The error for a file that does not exist for this caller."""
    return FileNotFound("There is no such file.")


class _Own(FileAnswer):
    """A file that the caller may read."""

    def __init__(self, call: Call, wanted: Wanted) -> None:
        super().__init__(call)
        self._wanted = wanted

    async def look_up(self) -> File:
        """Ask metadata_service. A file of another family than the requested one does not exist for this
        route.
        """
        wanted = self._wanted.request
        request = GetFileRequest(user_id=wanted.user_id)
        match wanted.WhichOneof("name"):
            case "project_file":
                name = wanted.project_file
                in_project = GetProjectFileRequest(
                    slug=name.slug,
                    version=name.version,
                    path=name.path,
                    user_id=wanted.user_id,
                    front_end=name.front_end,
                )
                return as_file((await self.call.ask(GET_PROJECT_FILE, in_project)).file)
            case "key":
                request.key = wanted.key
            case _:
                request.file_id = wanted.file_id
        file = (await self.call.ask(GET_FILE, request)).file
        if wanted.family and file.family != wanted.family:
            raise file_not_found()
        return file

    async def open(
        self, byte_range: ByteRange | None, etag: str
    ) -> tuple[Stream[DownloadMessage], DownloadResponse, File]:
        request, storage = self._wanted.request, self.call.services.storage
        request.if_etag_match = etag
        if byte_range is not None:
            request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
        stream: Stream[DownloadMessage] = Stream(self.call, storage, storage.download(self.call, request))
        first = await stream.first()
        if not isinstance(first, DownloadResponse):
            stream.close()
            raise unannounced_bytes()
        return stream, first, first.file if first.HasField("file") else as_file(first.project_file)

    def validators(self, file: File) -> list[Header]:
        return validator_headers(validators_of(file), header("vary", "Authorization"))

    def headers(self, file: File, *, whole: bool = True) -> list[Header]:
        note_file(file.id)
        kind = with_charset(file.content_type, file.charset)
        if self._wanted.preview:
            about_content = preview_headers(kind)
        else:
            about_content = content_headers(
                kind, file.filename, corp=self.call.services.settings.corp, attachment=self._wanted.attachment
            )
        digests = digest_headers(file.crc32c, file.size_bytes, whole=whole)
        return [*self.validators(file), header("accept-ranges", "bytes"), *digests, *about_content]
