"""A share's files as answers: ranges, conditions, chunks passed straight on; and all of them as a ZIP."""

from __future__ import annotations

from gateway.http.conditional import CONDITIONS, Outcome, evaluate, parse_range, range_applies
from gateway.http.headers import content_headers, digest_headers
from gateway.http.reply import Header, Reply, header
from gateway.upstream.call import Call
from gateway.upstream.chunked import chunked_reply
from gateway.upstream.downloads import validators_of
from gateway.upstream.streaming import (
    HeadReply,
    Stream,
    StreamReply,
    not_the_file_named,
    unannounced_bytes,
    validator_headers,
)
from servicekit.presentation import with_charset
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.guest_pb2 import (
    DownloadSharedArchiveRequest,
    DownloadSharedRequest,
    DownloadSharedResponse,
)


async def file_reply(call: Call, request: DownloadSharedRequest, *, attachment: bool) -> Reply:
    """The answer to GET or HEAD of one file. Raises StrongroomError, ClientGone.

    Copies are asked about each time (``no-cache``), so that what is revoked is gone at once.
    """
    head = call.scope["method"] == "HEAD"
    byte_range = None if head else parse_range(call.header("range"))
    if head or any(call.header(name) is not None for name in CONDITIONS):
        look_up = DownloadSharedRequest()
        look_up.CopyFrom(request)
        look_up.metadata_only = True
        stream, first = await _opened(call, look_up)
        await stream.finish()
        stream.close()
        file, validators = first.file, validators_of(first.file)
        outcome = evaluate(call.header, validators)
        if outcome is Outcome.FAILED:
            raise not_the_file_named(file.etag)
        if outcome is Outcome.NOT_MODIFIED:
            return Reply(304, b"", _validator_headers(file))
        if head:
            return HeadReply(_headers(file, attachment=attachment), file.size_bytes)
        if byte_range is not None and not range_applies(call.header("if-range"), validators):
            byte_range = None
        request.if_etag_match = file.etag
    if byte_range is not None:
        request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
    stream, first = await _opened(call, request)
    size = first.file.size_bytes
    headers = _headers(first.file, attachment=attachment, whole=byte_range is None or not size)
    return StreamReply(headers, stream, first, total=size, ranged=byte_range is not None)


async def archive_reply(call: Call, request: DownloadSharedArchiveRequest, filename: str) -> Reply:
    """The ZIP as an attachment; its first bytes are waited for, while an error can still be answered."""
    headers = content_headers("application/zip", filename, corp="same-origin", attachment=True)
    rpc = call.services.storage.download_shared_archive(request)
    return await chunked_reply(call, rpc, [*headers, header("cache-control", "no-store")])


async def _opened(
    call: Call, request: DownloadSharedRequest
) -> tuple[Stream[DownloadSharedResponse], DownloadSharedResponse]:
    storage = call.services.storage
    stream: Stream[DownloadSharedResponse] = Stream(call, storage, storage.download_shared(request))
    first = await stream.first()
    if first is None or not first.HasField("file"):
        stream.close()
        raise unannounced_bytes()
    return stream, first


def _validator_headers(file: File) -> list[Header]:
    return validator_headers(validators_of(file), header("vary", "Cookie"))


def _headers(file: File, *, attachment: bool, whole: bool = True) -> list[Header]:
    kind = with_charset(file.content_type, file.charset)
    return [
        *_validator_headers(file),
        header("accept-ranges", "bytes"),
        header("x-robots-tag", "noindex, nofollow"),
        *digest_headers(file.crc32c, file.size_bytes, whole=whole),
        *content_headers(kind, file.filename, corp="same-origin", attachment=attachment),
    ]
