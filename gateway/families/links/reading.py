"""The answer to a link: the file's bytes, or a redirect to the store."""

from __future__ import annotations

import re
import time
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http.conditional import ByteRange
from gateway.http.headers import content_headers, digest_headers
from gateway.http.reply import Header, Reply, header
from gateway.upstream.backend import LinkMessage
from gateway.upstream.call import Call
from gateway.upstream.downloads import FileAnswer, validators_of
from gateway.upstream.streaming import (
    CACHE_CONTROL,
    Stream,
    unannounced_bytes,
    validator_headers,
)
from servicekit.presentation import with_charset
from strongroom.errors import FileNotFound
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.link_pb2 import DownloadLinkRequest, DownloadLinkResponse

PREFIX: Final = "/l/"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,1024}")
#: Caches drop a signed URL this long before it expires, so that those who follow it arrive in time.
_TO_ARRIVE_SECONDS: Final = 30
#: Pages of any origin may show it: whoever has the link may read.
_CORP: Final = "cross-origin"


class LinkedAnswer(FileAnswer):
    """The answer with the linked file.

    :raises FileNotFound: the link is incomplete.
    """

    def __init__(self, call: Call, token: str) -> None:
        super().__init__(call)
        if not _TOKEN.fullmatch(token):
            raise FileNotFound("This link is incomplete or damaged. Copy all of it, or ask for a new one.")
        self._token = token
        self._found = DownloadLinkResponse()
        settings = call.services.settings
        self._cache_seconds = settings.link_cache_seconds
        self.leads_on = settings.link_mode == "redirect" and call.scope["method"] != "HEAD"

    async def look_up(self) -> File:
        request = DownloadLinkRequest(token=self._token, metadata_only=True, sign_url=self.leads_on)
        stream = await self._opened(request)
        await stream.finish()
        stream.close()
        return self._found.file

    async def open(
        self, byte_range: ByteRange | None, etag: str
    ) -> tuple[Stream[LinkMessage], DownloadLinkResponse, File]:
        request = DownloadLinkRequest(token=self._token, if_etag_match=etag)
        if byte_range is not None:
            request.read_offset, request.read_limit = byte_range.offset, byte_range.limit
        stream = await self._opened(request)
        return stream, self._found, self._found.file

    async def _opened(self, request: DownloadLinkRequest) -> Stream[LinkMessage]:
        storage = self.call.services.storage
        stream: Stream[LinkMessage] = Stream(self.call, storage, storage.download_link(request))
        first = await stream.first()
        if not isinstance(first, DownloadLinkResponse) or not first.HasField("file"):
            stream.close()
            raise unannounced_bytes()
        self._found = first
        return stream

    def elsewhere(self) -> Reply | None:
        if not self._found.url:  # no URL: its bytes differ from the stored ones
            return None
        return redirection(self._found, self._cache_seconds)

    def validators(self, file: File) -> list[Header]:
        fresh = _fresh_seconds(self._found, self._cache_seconds)
        caching = f"private, max-age={fresh}" if fresh > 0 else CACHE_CONTROL
        return validator_headers(validators_of(file), caching=caching)

    def headers(self, file: File, *, whole: bool = True) -> list[Header]:
        kind = with_charset(file.content_type, file.charset)
        return [
            *self.validators(file),
            header("accept-ranges", "bytes"),
            *digest_headers(file.crc32c, file.size_bytes, whole=whole),
            *content_headers(kind, file.filename, corp=_CORP, attachment=self._found.attachment),
        ]


def redirection(found: DownloadLinkResponse, cache_seconds: int) -> Reply:
    """Redirect to a URL shared by all readers of a short period; caches keep it while both are valid."""
    fresh = _fresh_seconds(found, cache_seconds)
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


def _fresh_seconds(found: DownloadLinkResponse, most: int) -> int:
    """How long a browser may use its copy without asking. The content never changes, but the link expires."""
    if found.newest:
        return 0
    return min(most, _left(found.expire_time)) if found.HasField("expire_time") else most


def _left(end: Timestamp) -> int:
    return end.seconds - int(time.time())
