"""Signs URLs that read a file directly from the object store.

A URL is valid for the requested time and up to a quarter of it more, at most an hour. Ends are rounded, so
that URLs made soon after each other are equal and caches recognise them.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from urllib.parse import quote, urlencode

from servicekit.presentation import content_disposition, disposition_of, media_type, with_charset
from servicekit.unreadable import is_unreadable, refuse_unreadable
from storage_service.metadata.files import FileReader
from storage_service.objectstore.errors import translated
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import MAX_SIGNED_LIFETIME, ObjectRef
from strongroom.metadata.v1.file_pb2 import VISIBILITY_PUBLIC, File
from strongroom.storage.v1 import download_pb2
from strongroom.storage.v1.batch_pb2 import BatchSignUrlsRequest
from strongroom.storage.v1.download_pb2 import SignUrlRequest, SignUrlResponse

_LARGEST_STEP: Final = 3600


def step_of(seconds: int) -> int:
    """Return the step in seconds to which a lifetime is rounded; 0: too short for rounding."""
    return min(seconds // 4, _LARGEST_STEP)


def rounded_start(now: float, seconds: int) -> int:
    """Return the start, not later than ``now``, of a URL that is to be valid for ``seconds`` from now on.

    In seconds since 1970.
    """
    step = step_of(seconds)
    return int(now) - int(now) % step if step else int(now)


def rounded_end(now: float, seconds: int) -> int:
    """Return the end of the URL, in seconds since 1970."""
    return rounded_start(now, seconds) + seconds + step_of(seconds)


def stamp_of(key_id: bytes, facts: str) -> str:
    """Return a digest for GetUrlStamps that changes with whatever URLs depend on: times, settings, keys."""
    return hashlib.blake2b(facts.encode(), key=key_id, digest_size=12).hexdigest()


DEFAULT_SECONDS = 3600


class EdgeSigner(Protocol):
    """Signs URLs of a CDN that requires signatures."""

    async def sign(self, url: str, ends: datetime) -> str:
        """Return ``url`` with a signature that is valid until ``ends``."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """A CDN that requires signatures. ``latest``: end of permanent URLs. ``key_id``: id of the signing
    key.
    """

    signer: EdgeSigner
    latest: datetime
    key_id: str = ""


class Signer:
    """Signs URLs of files.

    ``public_base_url`` (a CDN in front of the bucket) makes URLs of public files permanent. With ``edge``
    that CDN requires signatures, and all files are read through it.
    """

    def __init__(
        self, store: ObjectStore, files: FileReader, *, public_base_url: str | None, edge: Edge | None = None
    ) -> None:
        self._store = store
        self._files = files
        self._public_base = public_base_url.rstrip("/") if public_base_url else None
        self._edge = edge

    @property
    def facts(self) -> str:
        """The settings that permanent URLs depend on."""
        edge = self._edge
        return f"{self._public_base} {(edge.latest, edge.key_id) if edge else None}"

    async def sign(self, request: SignUrlRequest) -> SignUrlResponse:
        """Return a URL of the file that the request names. Raises FileNotFound, ContentInfected,
        ObjectLost.
        """
        return await self.url_of(await self._files.named(request), request)

    async def sign_many(self, request: BatchSignUrlsRequest) -> dict[str, str]:
        """Return URLs by file id, for those of the files that the user has and that are readable."""
        files = await self._files.get_many(request.file_ids, request.user_id)
        wanted = SignUrlRequest(expires_in_seconds=request.expires_in_seconds)
        return {file.id: (await self.url_of(file, wanted)).url for file in files if not is_unreadable(file)}

    async def permanent_url(self, file: File) -> str | None:
        """Return the URL of a public file below the public base URL, or None if it has none."""
        if is_unreadable(file) or not self._public_base or file.visibility != VISIBILITY_PUBLIC:
            return None
        url = f"{self._public_base}/{quote(file.key)}"
        return await self._edge.signer.sign(url, self._edge.latest) if self._edge else url

    async def url_of(self, file: File, request: SignUrlRequest) -> SignUrlResponse:
        """Like ``sign``, for a file that was read before. Requests soon after each other get the same URL."""
        refuse_unreadable(file)
        public = await self.permanent_url(file)
        if public is not None:
            return SignUrlResponse(url=public, file=file)
        seconds = request.expires_in_seconds or DEFAULT_SECONDS
        if self._public_base and self._edge:
            return await self._at_edge(self._edge, self._public_base, file, request)
        with translated():
            signed = await self._store.presign_get(
                ObjectRef(file.key, file.version_id or None),
                min(timedelta(seconds=seconds + step_of(seconds)), MAX_SIGNED_LIFETIME),
                begins=datetime.fromtimestamp(rounded_start(time.time(), seconds), UTC),
                method="HEAD" if request.method == download_pb2.SIGNED_METHOD_HEAD else "GET",
                content_type=media_type(with_charset(file.content_type, file.charset)),
                content_disposition=_disposition(file, request.disposition),
            )
        response = SignUrlResponse(url=signed.url, expires_in_seconds=seconds, file=file)
        response.expire_time.FromDatetime(signed.expires_at)
        return response

    async def _at_edge(self, edge: Edge, base: str, file: File, request: SignUrlRequest) -> SignUrlResponse:
        """Return a URL of the CDN with S3's response overrides in the query, which the CDN has to pass on."""
        seconds = request.expires_in_seconds or DEFAULT_SECONDS
        ends = datetime.fromtimestamp(rounded_end(time.time(), seconds), UTC)
        query = {
            "response-content-disposition": _disposition(file, request.disposition),
            "response-content-type": media_type(with_charset(file.content_type, file.charset)),
        }
        if file.version_id:
            query["versionId"] = file.version_id
        url = f"{base}/{quote(file.key)}?{urlencode(query, quote_via=quote)}"
        signed = await edge.signer.sign(url, ends)
        response = SignUrlResponse(url=signed, expires_in_seconds=seconds, file=file)
        response.expire_time.FromDatetime(ends)
        return response


def _disposition(file: File, wanted: download_pb2.Disposition.ValueType) -> str:
    attachment = wanted == download_pb2.DISPOSITION_ATTACHMENT
    return content_disposition(disposition_of(file.content_type, attachment=attachment), file.filename)
