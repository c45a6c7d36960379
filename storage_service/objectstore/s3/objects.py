"""Whole objects: PutObject, HeadObject and GetObject on the light path, deletions by botocore."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from botocore.exceptions import ClientError

from servicekit import failpoints
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    ChecksumMismatch,
    EntityTooLarge,
    ObjectNotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    RestoreUnderWay,
    StoreError,
    StoreUnavailable,
)
from storage_service.objectstore.s3 import errors
from storage_service.objectstore.s3.calls import S3Context
from storage_service.objectstore.s3.client import Exchange, LightRequest
from storage_service.objectstore.s3.headers import (
    bare_etag,
    encoded_metadata,
    object_headers,
    object_info,
    special_option,
)
from storage_service.objectstore.s3.http.connection import Head
from storage_service.objectstore.s3.stream import S3Stream
from storage_service.objectstore.values import (
    MAX_DELETE_BATCH,
    MAX_PUT_SIZE,
    Chunk,
    DeleteResult,
    Doubtful,
    ObjectAttributes,
    ObjectInfo,
    ObjectRef,
    PutResult,
)


class S3Reader:
    """The part of ObjectStore that reads."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def head(self, ref: ObjectRef) -> ObjectInfo:
        """See ObjectStore.head."""
        request = LightRequest(
            method="HEAD", key=ref.key, query=version_query(ref), headers={"x-amz-checksum-mode": "ENABLED"}
        )
        return await self._context.fetch(
            "HeadObject", request, lambda head: object_info(ref.key, head.headers)
        )

    @asynccontextmanager
    async def open(
        self, ref: ObjectRef, *, offset: int = 0, length: int | None = None, if_match: str | None = None
    ) -> AsyncIterator[S3Stream]:
        """See ObjectStore.open."""
        if offset < 0 or (length is not None and length < 0):
            raise ValueError("offset and length may not be negative")
        stream = S3Stream(self._context, ref, offset=offset, length=length, if_match=if_match)
        try:
            try:
                await stream.start()
            except RangeNotSatisfiable:
                info = await self.head(ref)
                if offset or info.size:
                    raise
                stream.start_empty(info)
            yield stream
        finally:
            await stream.close()


def version_query(ref: ObjectRef) -> dict[str, str]:
    """Return the query parameters that select the version."""
    return {} if ref.version_id is None else {"versionId": ref.version_id}


MID_BODY = failpoints.register("s3.put.mid_body")

_MD5_ETAG = re.compile(r"[0-9a-f]{32}")


def body_headers(context: S3Context, chunks: Sequence[Chunk], crc32c: int) -> dict[str, str]:
    """Return the checksum headers of a body."""
    headers: dict[str, str] = {}
    if context.settings.checksum_mode != "off":
        headers["x-amz-checksum-crc32c"] = checksums.to_base64(crc32c)
    if context.settings.content_md5:
        headers["content-md5"] = base64.b64encode(_md5(chunks)).decode("ascii")
    return headers


def echo_verifies(head: Head, crc32c: int, operation: str) -> bool:
    """Whether the reply has the CRC-32C of what was stored. Raises ChecksumMismatch if it is a
    different one.
    """
    echoed = checksums.from_base64(head.headers.get("x-amz-checksum-crc32c"))
    if echoed is not None and echoed != crc32c:
        raise ChecksumMismatch(operation=operation, outcome_unknown=True)
    return echoed is not None


class S3Writer(S3Reader):
    """The part of ObjectStore that writes whole objects."""

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
        if size > MAX_PUT_SIZE:
            raise EntityTooLarge(operation="PutObject")
        self._context.check_key(key, "PutObject")
        context, conditional = self._context, if_none_match and self._context.settings.conditional_writes
        headers = object_headers(attrs, context.settings)
        if conditional:
            headers["if-none-match"] = "*"
        if context.settings.content_md5:
            headers |= await context.offload.write(lambda _: body_headers(context, chunks, crc32c))
        else:
            headers |= body_headers(context, chunks, crc32c)
        request = LightRequest(
            method="PUT",
            key=key,
            headers=headers,
            chunks=chunks,
            size=size,
            mid_body=context.mid_body(MID_BODY),
        )
        option = special_option(context.settings, if_none_match=conditional)
        doubtful = Doubtful()
        try:
            head = await context.send("PutObject", request, option=option, doubtful=doubtful)
        except PreconditionFailed as error:
            if error.outcome_unknown and (own := await self._own_lost_put(key, size, crc32c, attrs)):
                return own
            raise
        etag = bare_etag(head.headers.get("etag"))
        if not etag:  # without it exactly this content could never be requested again
            raise StoreUnavailable(
                "The object store confirmed an object without its ETag.",
                operation="PutObject",
                outcome_unknown=True,
            )
        verified = echo_verifies(head, crc32c, "PutObject") or await self._etag_verifies(etag, chunks)
        return PutResult(etag, head.headers.get("x-amz-version-id"), verified, repeated=doubtful.is_so)

    async def _etag_verifies(self, etag: str, chunks: Sequence[Chunk]) -> bool:
        """Compare the ETag with the MD5, which proves the content on stores that echo no checksum (Swift,
        Ceph).
        """
        if not _MD5_ETAG.fullmatch(etag):
            return False

        def matches(_: Exchange) -> bool:
            return _md5(chunks).hex() == etag

        return await self._context.offload.write(matches)

    async def _own_lost_put(
        self, key: str, size: int, crc32c: int, attrs: ObjectAttributes
    ) -> PutResult | None:
        """After a failed If-None-Match, return the object if a try whose reply was lost has stored it."""
        info = await self.head(ObjectRef(key))
        # compare the encoded forms, because long values are cut
        kept = {name: text for name, text in info.metadata.items() if name in attrs.metadata}
        mine = ObjectAttributes(metadata=attrs.metadata)
        same = encoded_metadata(ObjectAttributes(metadata=kept)) == encoded_metadata(mine)
        if not same or info.size != size or info.crc32c not in {None, crc32c}:
            return None
        return PutResult(info.etag, info.version_id, info.crc32c is not None, repeated=True)


def _md5(chunks: Sequence[Chunk]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


class S3Deleter:
    """The part of ObjectStore that deletes objects and requests restores."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def delete(self, ref: ObjectRef) -> DeleteResult:
        """See ObjectStore.delete."""
        parameters: dict[str, Any] = {**_object_identifier(ref)}
        try:
            reply = await self._context.control(
                "DeleteObject",
                lambda s3: s3.delete_object(Bucket=self._context.settings.bucket, **parameters),
            )
        except ObjectNotFound:
            return DeleteResult(None, delete_marker=False)
        return DeleteResult(reply.get("VersionId"), delete_marker=bool(reply.get("DeleteMarker")))

    async def request_restore(self, ref: ObjectRef, *, days: int, tier: str) -> None:
        """See ObjectStore.request_restore."""
        parameters: dict[str, Any] = {
            **_object_identifier(ref),
            "RestoreRequest": {"Days": days, "GlacierJobParameters": {"Tier": tier}},
        }
        with suppress(RestoreUnderWay):
            await self._context.control(
                "RestoreObject",
                lambda s3: s3.restore_object(Bucket=self._context.settings.bucket, **parameters),
            )

    async def delete_many(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, StoreError]:
        """See ObjectStore.delete_many."""
        failed: dict[ObjectRef, StoreError] = {}
        for start in range(0, len(refs), MAX_DELETE_BATCH):
            failed |= await self._delete_batch(refs[start : start + MAX_DELETE_BATCH])
        return failed

    async def _delete_batch(self, refs: Sequence[ObjectRef]) -> dict[ObjectRef, StoreError]:
        objects: list[Any] = [_object_identifier(ref) for ref in refs]
        reply = await self._context.control(
            "DeleteObjects",
            lambda s3: s3.delete_objects(
                Bucket=self._context.settings.bucket, Delete={"Objects": objects, "Quiet": False}
            ),
        )
        failed: dict[ObjectRef, StoreError] = {}
        answered = {_entry_ref(found) for found in (*reply.get("Deleted", []), *reply.get("Errors", []))}
        for found in reply.get("Errors", []):
            error = _entry_error(found)
            if not isinstance(error, ObjectNotFound):
                failed[_reported(found, refs)] = error
        for ref in refs:
            # stores differ in whether they repeat the version id; an object that isn't mentioned counts as
            # failed
            if ref not in answered and ObjectRef(ref.key) not in answered:
                failed[ref] = StoreUnavailable(operation="DeleteObjects", outcome_unknown=True)
        return failed


def _entry_ref(found: Any) -> ObjectRef:
    return ObjectRef(found.get("Key", ""), found.get("VersionId") or None)


def _reported(found: Any, refs: Sequence[ObjectRef]) -> ObjectRef:
    """Return the requested object that an entry is about."""
    exact = _entry_ref(found)
    if exact in refs:
        return exact
    return next((ref for ref in refs if ref.key == exact.key), exact)


def _object_identifier(ref: ObjectRef) -> dict[str, str]:
    return {"Key": ref.key} if ref.version_id is None else {"Key": ref.key, "VersionId": ref.version_id}


def _entry_error(found: Any) -> StoreError:
    """Translate an entry, which has a code but no status of its own."""
    response: Any = {"Error": {"Code": found.get("Code", "")}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return errors.translate(ClientError(response, "DeleteObjects"), "DeleteObjects")
