"""The in-memory twin of the S3 adapter: same Protocols, same errors, same contract tests.

It behaves like a versioned (or optionally unversioned) S3 bucket that verifies checksums. Its content ends
with the process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    ChecksumMismatch,
    InvalidPart,
    InvalidRequest,
    ObjectArchived,
    PreconditionFailed,
    RangeNotSatisfiable,
    StoreError,
)
from storage_service.objectstore.values import (
    MIB,
    MIN_PART_SIZE,
    BucketDiagnosis,
    BucketState,
    Chunk,
    CompleteResult,
    DeleteResult,
    Doubtful,
    ListedObject,
    ListedUpload,
    ListedVersion,
    ObjectAttributes,
    ObjectInfo,
    ObjectRef,
    PartReceipt,
    PostForm,
    PutResult,
    Reachability,
    SignedRequest,
    VersioningStatus,
)
from tests.doubles.memory_bucket import Bucket, OpenUpload, Version, now

PAGE = 1_000


class MemoryObjectStore:
    """An ObjectStore in a dictionary. Tests may lower ``page_size`` and ``min_part_size``."""

    def __init__(
        self, *, versioned: bool = True, page_size: int = PAGE, min_part_size: int = MIN_PART_SIZE
    ) -> None:
        self._bucket = Bucket(versioned=versioned)
        self._page_size = page_size
        self._min_part_size = min_part_size
        #: Keys in an archive class; and those whose restore was requested, in that order.
        self.archived: set[str] = set()
        self.asked_back: list[str] = []

    async def request_restore(self, ref: ObjectRef, *, days: int, tier: str) -> None:
        """See ObjectStore.request_restore. A test completes the restore by removing the key from
        ``archived``.
        """
        await asyncio.sleep(0)
        self._bucket.find(ref, "RestoreObject")
        self.asked_back.append(ref.key)

    def _refuse_archived(self, key: str, operation: str) -> None:
        if key in self.archived:
            raise ObjectArchived(operation=operation)

    async def put(
        self,
        key: str,
        chunks: Sequence[Chunk],
        *,
        size: int,
        crc32c: int,
        attrs: ObjectAttributes,
        if_none_match: bool = False,
    ) -> PutResult:
        """See ObjectStore.put."""
        await asyncio.sleep(0)
        body = _received(chunks, size, crc32c, "PutObject")
        if if_none_match and self._bucket.current(key) is not None:
            raise PreconditionFailed(operation="PutObject")
        version = self._bucket.store(key, body, _md5(body), attrs)
        return PutResult(version.etag, version.shown_id, crc32c_verified=True)

    async def create(self, key: str, attrs: ObjectAttributes, *, doubtful: Doubtful | None = None) -> str:
        """See ObjectStore.create."""
        await asyncio.sleep(0)
        del doubtful  # nothing is ever lost on the way here
        return self._bucket.begin_upload(key, attrs)

    async def upload_part(
        self, key: str, upload_id: str, number: int, chunks: Sequence[Chunk], *, size: int, crc32c: int
    ) -> PartReceipt:
        """See ObjectStore.upload_part."""
        await asyncio.sleep(0)
        upload = self._bucket.upload(key, upload_id, "UploadPart")
        body = _received(chunks, size, crc32c, "UploadPart")
        return _keep_part(upload, number, body)

    async def complete(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[PartReceipt],
        *,
        crc32c: int | None = None,
        if_none_match: bool = False,
        doubtful: Doubtful | None = None,
    ) -> CompleteResult:
        """See ObjectStore.complete."""
        await asyncio.sleep(0)
        del doubtful
        operation = "CompleteMultipartUpload"
        upload = self._bucket.upload(key, upload_id, operation)
        bodies = self._listed_parts(upload, parts)
        if if_none_match and self._bucket.current(key) is not None:
            raise PreconditionFailed(operation=operation)
        body = b"".join(bodies)
        if crc32c is not None and checksums.crc32c_of([body]) != crc32c:
            raise ChecksumMismatch(operation=operation)
        digests = b"".join(bytes.fromhex(_md5(part)) for part in bodies)
        version = self._bucket.store(key, body, f"{_md5(digests)}-{len(bodies)}", upload.attrs)
        self._bucket.end_upload(key, upload_id, operation)
        return CompleteResult(version.etag, version.shown_id, crc32c_verified=crc32c is not None)

    async def abort(self, key: str, upload_id: str) -> None:
        """See ObjectStore.abort."""
        await asyncio.sleep(0)
        self._bucket.end_upload(key, upload_id, "AbortMultipartUpload")

    async def list_parts(self, key: str, upload_id: str) -> Sequence[PartReceipt]:
        """See ObjectStore.list_parts."""
        await asyncio.sleep(0)
        parts = self._bucket.upload(key, upload_id, "ListParts").parts
        return [_receipt(number, parts[number]) for number in sorted(parts)]

    async def list_uploads(self, prefix: str) -> Sequence[ListedUpload]:
        """See ObjectStore.list_uploads."""
        await asyncio.sleep(0)
        found = [
            ListedUpload(key, upload_id, upload.initiated)
            for (key, upload_id), upload in self._bucket.uploads.items()
            if key.startswith(prefix)
        ]
        return sorted(found, key=lambda upload: (upload.key, upload.initiated))

    async def copy_part(
        self,
        source: ObjectRef,
        key: str,
        upload_id: str,
        number: int,
        *,
        offset: int | None = None,
        length: int | None = None,
        if_match: str | None = None,
    ) -> PartReceipt:
        """See ObjectStore.copy_part."""
        await asyncio.sleep(0)
        if offset is not None and length is None:
            raise ValueError("copying from an offset needs a length")
        upload = self._bucket.upload(key, upload_id, "UploadPartCopy")
        version = self._bucket.find(source, "UploadPartCopy")
        _check_match(version, if_match, "UploadPartCopy")
        start = offset or 0
        end = len(version.body) if length is None else start + length
        if end > len(version.body):
            raise InvalidRequest("The range to copy lies outside of the source.", operation="UploadPartCopy")
        return _keep_part(upload, number, version.body[start:end])

    async def head(self, ref: ObjectRef) -> ObjectInfo:
        """See ObjectStore.head."""
        await asyncio.sleep(0)
        info = _info(ref.key, self._bucket.find(ref, "HeadObject"))
        if ref.key not in self.archived:
            return info
        is_asked = ref.key in self.asked_back
        return replace(info, reachability=Reachability.COMING_BACK if is_asked else Reachability.ARCHIVED)

    @asynccontextmanager
    async def open(
        self, ref: ObjectRef, *, offset: int = 0, length: int | None = None, if_match: str | None = None
    ) -> AsyncIterator[MemoryStream]:
        """See ObjectStore.open."""
        if offset < 0 or (length is not None and length < 0):
            raise ValueError("offset and length may not be negative")
        await asyncio.sleep(0)
        version = self._bucket.find(ref, "GetObject")
        self._refuse_archived(ref.key, "GetObject")
        _check_match(version, if_match, "GetObject")
        if offset >= len(version.body) and (offset or version.body):
            raise RangeNotSatisfiable(operation="GetObject")
        end = None if length is None else offset + length
        yield MemoryStream(_info(ref.key, version), offset, version.body[offset:end])

    async def delete(self, ref: ObjectRef) -> DeleteResult:
        """See ObjectStore.delete."""
        await asyncio.sleep(0)
        return self._bucket.delete(ref)

    async def delete_many(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, StoreError]:
        """See ObjectStore.delete_many."""
        await asyncio.sleep(0)
        for ref in refs:
            self._bucket.delete(ref)
        return {}

    async def list_objects(self, prefix: str) -> AsyncIterator[Sequence[ListedObject]]:
        """See ObjectStore.list_objects."""
        found = [
            ListedObject(key, len(version.body), version.etag, version.stored_at)
            for key, version in self._bucket.current_objects()
            if key.startswith(prefix)
        ]
        for start in range(0, max(1, len(found)), self._page_size):
            await asyncio.sleep(0)
            yield found[start : start + self._page_size]

    async def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        """See ObjectStore.list_versions."""
        found = [
            version
            for version in self._bucket.listed_versions()
            if version.key.startswith(prefix) and version.key > after
        ]
        for start in range(0, max(1, len(found)), self._page_size):
            await asyncio.sleep(0)
            yield found[start : start + self._page_size]

    async def copy(
        self, source: ObjectRef, key: str, attrs: ObjectAttributes, *, size: int, if_match: str | None = None
    ) -> PutResult:
        """See ObjectStore.copy."""
        await asyncio.sleep(0)
        version = self._bucket.find(source, "CopyObject")
        self._refuse_archived(source.key, "CopyObject")
        _check_match(version, if_match, "CopyObject")
        if size != len(version.body):
            raise InvalidRequest("The source is not as long as announced.", operation="CopyObject")
        made = self._bucket.store(key, version.body, _md5(version.body), attrs)
        return PutResult(made.etag, made.shown_id, crc32c_verified=True)

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
        """See ObjectStore.presign_get. ``memory:`` URLs can't be opened, but show the parameters."""
        asked = {
            "versionId": ref.version_id,
            "response-content-type": content_type,
            "response-content-disposition": content_disposition,
        }
        return _signed(
            method, ref.key, {name: text for name, text in asked.items() if text}, {}, expires, begins=begins
        )

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """See ObjectStore.presign_part."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        return _signed("PUT", key, query, _body_headers(size, crc32c), expires)

    async def presign_put(
        self, key: str, attrs: ObjectAttributes, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """See ObjectStore.presign_put."""
        headers = {"content-type": attrs.content_type, **_body_headers(size, crc32c)}
        return _signed("PUT", key, {}, headers, expires)

    async def post_form(
        self, key: str, attrs: ObjectAttributes, *, min_size: int, max_size: int, expires: timedelta
    ) -> PostForm:
        """See ObjectStore.post_form."""
        fields = {
            "key": key,
            "Content-Type": attrs.content_type,
            "content-length-range": f"{min_size},{max_size}",
        }
        return PostForm("memory:///", fields, now() + expires)

    async def check(self) -> BucketDiagnosis:
        """See ObjectStore.check."""
        return BucketDiagnosis(BucketState.OK, "The bucket answers.")

    async def versioning_status(self) -> VersioningStatus:
        """See ObjectStore.versioning_status."""
        return VersioningStatus.ENABLED if self._bucket.versioned else VersioningStatus.OFF

    async def aclose(self) -> None:
        """See ObjectStore.aclose."""

    def _listed_parts(self, upload: OpenUpload, parts: Sequence[PartReceipt]) -> list[bytes]:
        numbers = [part.number for part in parts]
        bodies = [upload.parts.get(part.number) for part in parts]
        known = [body for body in bodies if body is not None]
        etags = [_md5(body) for body in known]
        if not parts or numbers != sorted(set(numbers)) or etags != [part.etag for part in parts]:
            raise InvalidPart(operation="CompleteMultipartUpload")
        if any(len(body) < self._min_part_size for body in known[:-1]):
            raise InvalidPart(operation="CompleteMultipartUpload")
        return known


class MemoryStream:
    """An ObjectStream over bytes in memory."""

    def __init__(self, info: ObjectInfo, offset: int, body: bytes) -> None:
        self.info = info
        self.offset = offset
        self.length = len(body)
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, self.length, MIB):
            await asyncio.sleep(0)
            yield self._body[start : start + MIB]


def _received(chunks: Sequence[Chunk], size: int, crc32c: int, operation: str) -> bytes:
    body = b"".join(chunks)
    if len(body) != size:
        raise InvalidRequest("The body is not as long as announced.", operation=operation)
    if checksums.crc32c_of([body]) != crc32c:
        raise ChecksumMismatch(operation=operation)
    return body


def _keep_part(upload: OpenUpload, number: int, body: bytes) -> PartReceipt:
    if not 1 <= number <= 10_000:
        raise InvalidRequest("Part numbers go from 1 to 10000.", operation="UploadPart")
    upload.parts[number] = body
    return _receipt(number, body)


def _receipt(number: int, body: bytes) -> PartReceipt:
    return PartReceipt(number, _md5(body), len(body), checksums.crc32c_of([body]))


def _check_match(version: Version, if_match: str | None, operation: str) -> None:
    if if_match is not None and version.etag != if_match:
        raise PreconditionFailed(operation=operation)


def _info(key: str, version: Version) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size=len(version.body),
        etag=version.etag,
        version_id=version.shown_id,
        crc32c=checksums.crc32c_of([version.body]),
        content_type=version.attrs.content_type,
        metadata=dict(version.attrs.metadata),
        last_modified=version.stored_at,
        parts_count=int(version.etag.partition("-")[2]) if "-" in version.etag else None,
    )


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _body_headers(size: int, crc32c: int | None) -> dict[str, str]:
    headers = {"content-length": str(size)}
    return headers if crc32c is None else {**headers, "x-amz-checksum-crc32c": checksums.to_base64(crc32c)}


def _signed(
    method: str,
    key: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    expires: timedelta,
    *,
    begins: datetime | None = None,
) -> SignedRequest:
    expires_at = (begins or now()) + expires
    asked = urlencode({**query, "expires": int(expires_at.timestamp())})
    return SignedRequest(method, f"memory:///{quote(key)}?{asked}", dict(headers), expires_at)
