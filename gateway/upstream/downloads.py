"""A file's bytes as an answer: ranges, conditions, and chunks passed straight from gRPC to the connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

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
    HeadReply,
    Stream,
    StreamReply,
    not_the_file_named,
    unannounced_bytes,
    validator_headers,
)
from servicekit.context import note_file
from servicekit.presentation import with_charset
from strongroom.errors import FileNotFound, StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import GetFileRequest
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.project_service_pb2 import GetProjectFileRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, DownloadResponse


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
        raise not_the_file_named(file.etag)
    if outcome is Outcome.NOT_MODIFIED:
        return Reply(304, b"", _validator_headers(file))
    if head:
        return HeadReply(_headers(call, wanted, file), file.size_bytes)
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
            found = await call.ask(GET_PROJECT_FILE, in_project)
            return as_file(found.file)
        case "key":
            request.key = wanted.key
        case _:
            request.file_id = wanted.file_id
    file = (await call.ask(GET_FILE, request)).file
    if wanted.family and file.family != wanted.family:
        raise file_not_found()
    return file


def as_file(found: ProjectFile) -> File:
    """A project's file as other files are answered: named by the last part of its path."""
    return File(
        key=found.key,
        filename=found.path.rpartition("/")[2],
        content_type=found.content_type,
        charset=found.charset,
        size_bytes=found.size_bytes,
        etag=found.etag,
        version_id=found.version_id,
        update_time=found.create_time,
        crc32c=found.crc32c,
    )


def file_not_found() -> StrongroomError:
    """The error for a file that is not there, or not for this caller."""
    return FileNotFound("There is no such file.")


async def _stream(call: Call, wanted: Wanted, byte_range: ByteRange | None) -> Reply:
    if byte_range is not None:
        wanted.request.read_offset = byte_range.offset
        wanted.request.read_limit = byte_range.limit
    storage = call.services.storage
    stream: Stream[DownloadMessage] = Stream(call, storage, storage.download(call, wanted.request))
    first = await stream.first()
    if not isinstance(first, DownloadResponse):
        stream.close()
        raise unannounced_bytes()
    file = first.file if first.HasField("file") else as_file(first.project_file)
    headers = _headers(call, wanted, file, whole=byte_range is None or not file.size_bytes)
    return StreamReply(headers, stream, first, total=file.size_bytes, ranged=byte_range is not None)


def _headers(call: Call, wanted: Wanted, file: File, *, whole: bool = True) -> list[Header]:
    note_file(file.id)
    corp = call.services.settings.corp
    kind = with_charset(file.content_type, file.charset)
    if wanted.preview:
        about_content = preview_headers(kind)
    else:
        about_content = content_headers(kind, file.filename, corp=corp, attachment=wanted.attachment)
    digests = digest_headers(file.crc32c, file.size_bytes, whole=whole)
    return [*_validator_headers(file), header("accept-ranges", "bytes"), *digests, *about_content]


def _validator_headers(file: File) -> list[Header]:
    return validator_headers(validators_of(file), header("vary", "Authorization"))
