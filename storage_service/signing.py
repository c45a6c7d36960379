"""URLs that read a file straight from the object store."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from storage_service.files import FileReader, name_of
from storage_service.inline import INLINE_TYPES, content_disposition
from storage_service.objects import ObjectRef
from storage_service.objectstore import UrlSigner
from storage_service.translate import translated
from strongroom.errors import FileNotFound
from strongroom.metadata.v1.file_pb2 import VISIBILITY_PUBLIC, File
from strongroom.storage.v1 import download_pb2
from strongroom.storage.v1.batch_pb2 import BatchSignUrlsRequest
from strongroom.storage.v1.download_pb2 import SignUrlRequest, SignUrlResponse

DEFAULT_SECONDS = 3600


class Signer:
    """The use case; ``public_base_url`` (a CDN in front of the bucket) makes URLs of public files
    permanent.
    """

    def __init__(self, urls: UrlSigner, files: FileReader, *, public_base_url: str | None) -> None:
        self._urls = urls
        self._files = files
        self._public_base = public_base_url.rstrip("/") if public_base_url else None

    async def sign(self, request: SignUrlRequest) -> SignUrlResponse:
        """Raises FileNotFound."""
        file = await self._files.get(name_of(request), request.user_id)
        if request.family and file.family != request.family:
            raise FileNotFound("no such file")
        return await self._sign(file, request)

    async def sign_many(self, request: BatchSignUrlsRequest) -> dict[str, str]:
        """URL by file id, for those files that the caller has."""
        files = await self._files.get_many(request.file_ids, request.user_id)
        wanted = SignUrlRequest(expires_in_seconds=request.expires_in_seconds)
        return {file.id: (await self._sign(file, wanted)).url for file in files}

    async def _sign(self, file: File, request: SignUrlRequest) -> SignUrlResponse:
        if self._public_base and file.visibility == VISIBILITY_PUBLIC:
            return SignUrlResponse(url=f"{self._public_base}/{quote(file.key)}", file=file)
        seconds = request.expires_in_seconds or DEFAULT_SECONDS
        with translated():
            signed = await self._urls.presign_get(
                ObjectRef(file.key, file.version_id or None),
                timedelta(seconds=seconds),
                method="HEAD" if request.method == download_pb2.SIGNED_METHOD_HEAD else "GET",
                content_type=file.content_type,
                content_disposition=_disposition(file, request.disposition),
            )
        response = SignUrlResponse(url=signed.url, expires_in_seconds=seconds, file=file)
        response.expire_time.FromDatetime(signed.expires_at)
        return response


def _disposition(file: File, wanted: download_pb2.Disposition.ValueType) -> str:
    inline = wanted != download_pb2.DISPOSITION_ATTACHMENT and file.content_type in INLINE_TYPES
    return content_disposition(file.filename, inline=inline)
