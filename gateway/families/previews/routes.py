"""Previews of projects by URLs that contain a token, for an ``<iframe>``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from gateway.families.projects.preview_urls import PREFIX, page_at
from gateway.http.conditional import (
    ByteRange,
    Outcome,
    Validators,
    evaluate,
    parse_range,
    range_applies,
)
from gateway.http.headers import digest_headers, preview_headers
from gateway.http.reply import Header, Reply, header
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.streaming import (
    HeadReply,
    Stream,
    StreamReply,
    not_the_file_named,
    unannounced_bytes,
    validator_headers,
)
from servicekit.presentation import with_charset
from strongroom.errors import RangeNotSatisfiable
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.storage.v1.preview_pb2 import (
    DownloadPreviewRequest,
    DownloadPreviewResponse,
)

#: Module scripts and fonts are loaded with CORS, by a page whose origin is "null". No credentials are checked
#: here: whoever has the URL may read.
_ANY_ORIGIN: Final = header("access-control-allow-origin", "*")

routes = Routes("previews", public=True)


@routes.add("GET", PREFIX + "{token}/", scripts=True)
async def show_preview(call: Call) -> Reply:
    """The start page."""
    return await preview_reply(call, call.path["token"], "")


@routes.add("GET", PREFIX + "{token}/{path:path}", scripts=True)
async def show_preview_file(call: Call) -> Reply:
    """A file of the page."""
    return await preview_reply(call, call.path["token"], call.path["path"])


async def preview_reply(call: Call, token: str, path: str) -> Reply:
    """The answer to GET or HEAD of a previewed file.

    :raises TokenInvalid, TokenExpired: the token is invalid or has expired. :raises StrongroomError: no such
        file, range not satisfiable, precondition failed, … :raises ClientGone: the client left.
    """
    head = call.scope["method"] == "HEAD"
    byte_range = None if head else parse_range(call.header("range"))
    if_range = call.header("if-range")
    try:
        stream, first = await _opened(call, token, path, byte_range)
    except RangeNotSatisfiable:
        if if_range is None:
            raise
        byte_range = None  # it may be a range of another file; the whole one is always a valid answer
        stream, first = await _opened(call, token, path)
    if first.page_token:
        stream.close()
        return _exchanged(call, first.page_token)
    if byte_range is not None and not range_applies(if_range, _validators(first.file)):
        stream.close()
        byte_range = None
        stream, first = await _opened(call, token, path)
    file, validators = first.file, _validators(first.file)
    outcome = evaluate(call.header, validators)
    if outcome is Outcome.PROCEED and not head:
        headers = _headers(file, validators, whole=byte_range is None or not file.size_bytes)
        return StreamReply(headers, stream, first, total=file.size_bytes, ranged=byte_range is not None)
    stream.close()
    if outcome is Outcome.FAILED:
        raise not_the_file_named(file.etag)
    if outcome is Outcome.NOT_MODIFIED:
        return Reply(304, b"", validator_headers(validators, _ANY_ORIGIN))
    return HeadReply(_headers(file, validators), file.size_bytes)


async def _opened(
    call: Call, token: str, path: str, byte_range: ByteRange | None = None
) -> tuple[Stream[DownloadPreviewResponse], DownloadPreviewResponse]:
    """The running download and its first message: the file, or the token to redirect to.

    :raises StrongroomError: as ``preview_reply``.
    """
    request = DownloadPreviewRequest(token=token, path=page_at(path), for_page=True)
    if byte_range is not None:
        request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
    storage = call.services.storage
    stream: Stream[DownloadPreviewResponse] = Stream(call, storage, storage.download_preview(request))
    first = await stream.first()
    if first is None or not (first.page_token or first.HasField("file")):
        stream.close()
        raise unannounced_bytes()
    return stream, first


def _exchanged(call: Call, token: str) -> Reply:
    """Redirect to the same path with a token that is valid for minutes. The page can read its own address and
    send it anywhere by navigating. It never sees the address by which it was opened (no referrer, no
    history).
    """
    query = call.scope["query_string"].decode("ascii", "ignore")
    raw_path = (call.scope.get("raw_path") or b"").decode("ascii", "ignore")
    rest = raw_path.partition(PREFIX)[2].partition("/")[2]
    place = "../" * (rest.count("/") + 1) + f"{token}/{rest}"
    where = header("location", f"{place}?{query}" if query else place)
    return Reply(307, b"", [where, _ANY_ORIGIN, header("cache-control", "no-store")])


def _validators(file: ProjectFile) -> Validators:
    return Validators(file.etag, datetime.fromtimestamp(file.create_time.seconds, UTC))


def _headers(file: ProjectFile, validators: Validators, *, whole: bool = True) -> list[Header]:
    return [
        *validator_headers(validators, _ANY_ORIGIN),
        header("accept-ranges", "bytes"),
        *digest_headers(file.crc32c, file.size_bytes, whole=whole),
        *preview_headers(with_charset(file.content_type, file.charset)),
    ]
