"""What a link answers: the file's bytes, or the way to them at the store."""

from __future__ import annotations

import re
import time
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http.conditional import CONDITIONS, ByteRange, Outcome, evaluate, parse_range, range_applies
from gateway.http.headers import content_headers, digest_headers
from gateway.http.reply import Header, Reply, header
from gateway.upstream.backend import LinkMessage
from gateway.upstream.call import Call
from gateway.upstream.downloads import validators_of
from gateway.upstream.streaming import (
    CACHE_CONTROL,
    HeadReply,
    Stream,
    StreamReply,
    not_the_file_named,
    unannounced_bytes,
    validator_headers,
)
from servicekit.presentation import with_charset
from strongroom.errors import FileNotFound
from strongroom.storage.v1.link_pb2 import DownloadLinkRequest, DownloadLinkResponse

PREFIX: Final = "/l/"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,1024}")
#: A signed URL is not kept in caches to its last moment: whoever follows it has to arrive in time.
_TO_ARRIVE_SECONDS: Final = 30
#: Pages of any origin may show it: who has the link may read.
_CORP: Final = "cross-origin"


async def link_reply(call: Call, token: str) -> Reply:
    """The answer to GET or HEAD of a link.

    A plain or ranged GET costs one call to storage_service, which looks the file up once. Conditions are
    judged by a call of their own; the download is then tied to the entity tag that was judged.

    :raises FileNotFound: it opens nothing (any more). :raises StrongroomError: range not satisfiable,
        precondition failed, … :raises ClientGone: the client left.
    """
    if not _TOKEN.fullmatch(token):
        raise FileNotFound("This link opens nothing: it is not whole. Copy all of it, or ask for a new one.")
    head = call.scope["method"] == "HEAD"
    redirect = call.services.settings.link_mode == "redirect" and not head
    request = DownloadLinkRequest(token=token)
    byte_range = None if head else parse_range(call.header("range"))
    if head or redirect or any(call.header(name) is not None for name in CONDITIONS):
        found = await _look_up(call, token, sign_url=redirect)
        validators = validators_of(found.file)
        outcome = evaluate(call.header, validators)
        if outcome is Outcome.FAILED:
            raise not_the_file_named(found.file.etag)
        if outcome is Outcome.NOT_MODIFIED:
            return Reply(304, b"", _validator_headers(call, found))
        if head:
            return HeadReply(_headers(call, found), found.file.size_bytes)
        if found.url:  # else there is none: it is given out otherwise than it is stored
            return _redirect(call, found)
        if byte_range is not None and not range_applies(call.header("if-range"), validators):
            byte_range = None
        request.if_etag_match = found.file.etag
    return await _bytes(call, request, byte_range)


async def _look_up(call: Call, token: str, *, sign_url: bool) -> DownloadLinkResponse:
    request = DownloadLinkRequest(token=token, metadata_only=True, sign_url=sign_url)
    stream, found = await _opened(call, request)
    await stream.finish()
    stream.close()
    return found


async def _bytes(call: Call, request: DownloadLinkRequest, byte_range: ByteRange | None) -> Reply:
    if byte_range is not None:
        request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
    stream, first = await _opened(call, request)
    size = first.file.size_bytes
    headers = _headers(call, first, whole=byte_range is None or not size)
    return StreamReply(headers, stream, first, total=size, ranged=byte_range is not None)


async def _opened(
    call: Call, request: DownloadLinkRequest
) -> tuple[Stream[LinkMessage], DownloadLinkResponse]:
    storage = call.services.storage
    stream: Stream[LinkMessage] = Stream(call, storage, storage.download_link(request))
    first = await stream.first()
    if not isinstance(first, DownloadLinkResponse) or not first.HasField("file"):
        stream.close()
        raise unannounced_bytes()
    return stream, first


def _redirect(call: Call, found: DownloadLinkResponse) -> Reply:
    """To a URL that is the same for all who come soon, kept by caches for as long as both hold."""
    fresh = _fresh_seconds(call, found)
    if found.HasField("url_expire_time"):
        fresh = min(fresh, _left(found.url_expire_time) - _TO_ARRIVE_SECONDS)
    caching = f"private, max-age={fresh}" if fresh > 0 else "no-store"
    return Reply(
        302,
        b"",
        [
            header("location", found.url),
            header("cache-control", caching),
            header("cross-origin-resource-policy", _CORP),
        ],
    )


def _headers(call: Call, found: DownloadLinkResponse, *, whole: bool = True) -> list[Header]:
    file = found.file
    kind = with_charset(file.content_type, file.charset)
    return [
        *_validator_headers(call, found),
        header("accept-ranges", "bytes"),
        *digest_headers(file.crc32c, file.size_bytes, whole=whole),
        *content_headers(kind, file.filename, corp=_CORP, attachment=found.attachment),
    ]


def _validator_headers(call: Call, found: DownloadLinkResponse) -> list[Header]:
    fresh = _fresh_seconds(call, found)
    caching = f"private, max-age={fresh}" if fresh > 0 else CACHE_CONTROL
    return validator_headers(validators_of(found.file), caching=caching)


def _fresh_seconds(call: Call, found: DownloadLinkResponse) -> int:
    """How long a browser may use its copy without asking: one content's never changes, but it ends."""
    if found.newest:
        return 0
    fresh = call.services.settings.link_cache_seconds
    return min(fresh, _left(found.expire_time)) if found.HasField("expire_time") else fresh


def _left(end: Timestamp) -> int:
    return end.seconds - int(time.time())
