"""A share's files as answers: ranges, conditions, chunks passed on directly; and all files as a ZIP."""

from __future__ import annotations

from gateway.http.conditional import ByteRange
from gateway.http.headers import content_headers, digest_headers
from gateway.http.reply import Header, Reply, header
from gateway.upstream.call import Call
from gateway.upstream.chunked import chunked_reply
from gateway.upstream.downloads import FileAnswer, validators_of
from gateway.upstream.streaming import Stream, unannounced_bytes, validator_headers
from servicekit.presentation import with_charset
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.guest_pb2 import (
    DownloadSharedArchiveRequest,
    DownloadSharedRequest,
    DownloadSharedResponse,
)


class SharedAnswer(FileAnswer):
    """One file for guests of a share.

    Caches revalidate each time (``no-cache``), so that a revocation takes effect at once.
    """

    def __init__(self, call: Call, request: DownloadSharedRequest, *, attachment: bool) -> None:
        super().__init__(call)
        self._request = request
        self._attachment = attachment

    async def look_up(self) -> File:
        request = DownloadSharedRequest()
        request.CopyFrom(self._request)
        request.metadata_only = True
        stream, first = await self._opened(request)
        await stream.finish()
        stream.close()
        return first.file

    async def open(
        self, byte_range: ByteRange | None, etag: str
    ) -> tuple[Stream[DownloadSharedResponse], DownloadSharedResponse, File]:
        request = self._request
        request.if_etag_match = etag
        if byte_range is not None:
            request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
        stream, first = await self._opened(request)
        return stream, first, first.file

    def validators(self, file: File) -> list[Header]:
        return validator_headers(validators_of(file), header("vary", "Cookie"))

    def headers(self, file: File, *, whole: bool = True) -> list[Header]:
        kind = with_charset(file.content_type, file.charset)
        return [
            *self.validators(file),
            header("accept-ranges", "bytes"),
            header("x-robots-tag", "noindex, nofollow"),
            *digest_headers(file.crc32c, file.size_bytes, whole=whole),
            *content_headers(kind, file.filename, corp="same-origin", attachment=self._attachment),
        ]

    async def _opened(
        self, request: DownloadSharedRequest
    ) -> tuple[Stream[DownloadSharedResponse], DownloadSharedResponse]:
        storage = self.call.services.storage
        stream: Stream[DownloadSharedResponse] = Stream(self.call, storage, storage.download_shared(request))
        first = await stream.first()
        if first is None or not first.HasField("file"):
            stream.close()
            raise unannounced_bytes()
        return stream, first


async def archive_reply(call: Call, request: DownloadSharedArchiveRequest, filename: str) -> Reply:
    """The ZIP as an attachment. Waits for its first bytes, while an error can still be answered."""
    headers = content_headers("application/zip", filename, corp="same-origin", attachment=True)
    rpc = call.services.storage.download_shared_archive(request)
    return await chunked_reply(call, rpc, [*headers, header("cache-control", "no-store")])
