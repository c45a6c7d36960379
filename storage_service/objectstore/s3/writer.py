"""PutObject, on the light path."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from servicekit import failpoints
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    ChecksumMismatch,
    EntityTooLarge,
    PreconditionFailed,
    StoreUnavailable,
)
from storage_service.objectstore.s3.attributes import (
    bare_etag,
    encoded_metadata,
    object_headers,
    special_option,
)
from storage_service.objectstore.s3.context import S3Context
from storage_service.objectstore.s3.light import Exchange, LightRequest
from storage_service.objectstore.s3.reader import S3Reader
from storage_service.objectstore.s3.wire import Head
from storage_service.objectstore.values import (
    MAX_PUT_SIZE,
    Chunk,
    Doubtful,
    ObjectAttributes,
    ObjectRef,
    PutResult,
)

MID_BODY = failpoints.register("s3.put.mid_body")

_MD5_ETAG = re.compile(r"[0-9a-f]{32}")


def body_headers(context: S3Context, chunks: Sequence[Chunk], crc32c: int) -> dict[str, str]:
    """The checksums that go with a body."""
    headers: dict[str, str] = {}
    if context.settings.checksum_mode != "off":
        headers["x-amz-checksum-crc32c"] = checksums.to_base64(crc32c)
    if context.settings.content_md5:
        headers["content-md5"] = base64.b64encode(_md5(chunks)).decode("ascii")
    return headers


def echo_verifies(head: Head, crc32c: int, operation: str) -> bool:
    """Whether the store says which CRC-32C it stored. Raises ChecksumMismatch when that is another one."""
    echoed = checksums.from_base64(head.headers.get("x-amz-checksum-crc32c"))
    if echoed is not None and echoed != crc32c:
        raise ChecksumMismatch(operation=operation, outcome_unknown=True)
    return echoed is not None


class S3Writer(S3Reader):
    """Part of ObjectStore."""

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
        if not etag:  # nothing could ever ask for exactly this content again
            raise StoreUnavailable(
                "The object store confirmed an object without its ETag.",
                operation="PutObject",
                outcome_unknown=True,
            )
        verified = echo_verifies(head, crc32c, "PutObject") or await self._etag_verifies(etag, chunks)
        return PutResult(etag, head.headers.get("x-amz-version-id"), verified, repeated=doubtful.is_so)

    async def _etag_verifies(self, etag: str, chunks: Sequence[Chunk]) -> bool:
        """Stores that echo no checksum (Swift, Ceph) prove the content by an ETag that is its MD5."""
        if not _MD5_ETAG.fullmatch(etag):
            return False

        def matches(_: Exchange) -> bool:
            return _md5(chunks).hex() == etag

        return await self._context.offload.write(matches)

    async def _own_lost_put(
        self, key: str, size: int, crc32c: int, attrs: ObjectAttributes
    ) -> PutResult | None:
        """If-None-Match failed after a try whose answer was lost: is what stands there from that try?"""
        info = await self.head(ObjectRef(key))
        # compare what survived encoding: long values are cut on their way
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
