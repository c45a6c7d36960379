"""Signed requests for clients, made without asking the store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from storage_service.objectstore import checksums
from storage_service.objectstore.s3.calls import S3Context
from storage_service.objectstore.s3.headers import object_headers
from storage_service.objectstore.s3.http.sigv4 import Credentials
from storage_service.objectstore.values import (
    MAX_SIGNED_LIFETIME,
    ObjectAttributes,
    ObjectRef,
    PostForm,
    SignedRequest,
)


class S3UrlSigner:
    """The part of ObjectStore that signs requests for clients, for the public endpoint."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def presign_get(
        self,
        ref: ObjectRef,
        expires: timedelta,
        *,
        method: str = "GET",
        content_type: str | None = None,
        content_disposition: str | None = None,
        begins: datetime | None = None,
    ) -> SignedRequest:
        """See ObjectStore.presign_get."""
        if method not in {"GET", "HEAD"}:
            raise ValueError("only GET and HEAD read objects")
        query: dict[str, str] = {}
        if ref.version_id is not None:
            query["versionId"] = ref.version_id
        if content_type is not None:
            query["response-content-type"] = content_type
        if content_disposition is not None:
            query["response-content-disposition"] = content_disposition
        return await self._presign(method, ref.key, query, {}, expires, begins=begins)

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """See ObjectStore.presign_part."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        return await self._presign("PUT", key, query, self._body_headers(size, crc32c), expires)

    async def presign_put(
        self, key: str, attrs: ObjectAttributes, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """See ObjectStore.presign_put."""
        self._context.check_key(key, "PutObject")
        headers = object_headers(attrs, self._context.settings) | self._body_headers(size, crc32c)
        return await self._presign("PUT", key, {}, headers, expires)

    async def post_form(
        self, key: str, attrs: ObjectAttributes, *, min_size: int, max_size: int, expires: timedelta
    ) -> PostForm:
        """See ObjectStore.post_form."""
        self._context.check_key(key, "PostObject")
        headers = object_headers(attrs, self._context.settings)
        fields = {"key": key, "Content-Type": headers.pop("content-type"), **headers}
        fields["success_action_status"] = "201"
        conditions: list[object] = [
            {"bucket": self._context.settings.bucket},
            ["content-length-range", min_size, max_size],
        ]
        credentials, now = await self._credentials(), _now()
        expires_at = now + _checked(expires)
        signed = self._context.signer.sign_policy(
            fields, conditions, credentials=credentials, now=now, expires_at=expires_at
        )
        endpoint = self._context.public_endpoint
        return PostForm(endpoint.url(endpoint.bucket_path), signed, expires_at)

    async def _presign(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        expires: timedelta,
        *,
        begins: datetime | None = None,
    ) -> SignedRequest:
        lifetime, now = _checked(expires), begins or _now()
        endpoint = self._context.public_endpoint
        path = endpoint.path_of(key)
        signed_query = self._context.signer.presign(
            method,
            path,
            query,
            {**headers, "host": endpoint.host_header},
            credentials=await self._credentials(),
            now=now,
            expires=int(lifetime.total_seconds()),
        )
        return SignedRequest(method, endpoint.url(path, signed_query), dict(headers), now + lifetime)

    async def _credentials(self) -> Credentials:
        if self._context.settings.use_iam_role:
            return await asyncio.to_thread(self._context.credentials.current)  # may use the network
        return self._context.credentials.current()

    def _body_headers(self, size: int, crc32c: int | None) -> dict[str, str]:
        headers = {"content-length": str(size)}
        if crc32c is not None and self._context.settings.checksum_mode != "off":
            headers["x-amz-checksum-crc32c"] = checksums.to_base64(crc32c)
        return headers


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _checked(expires: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= expires <= MAX_SIGNED_LIFETIME:
        raise ValueError("a signed request lives between 1 second and 7 days")
    return timedelta(seconds=int(expires.total_seconds()))
