"""Shortcuts for writing and reading in this folder's tests."""

from __future__ import annotations

import os
from collections.abc import Sequence

from storage_service.objectstore import checksums
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import (
    Chunk,
    CompleteResult,
    ObjectAttributes,
    ObjectRef,
    PartReceipt,
    PutResult,
)

ATTRS = ObjectAttributes(
    content_type="image/png",
    metadata={
        "user_id": "user-1",
        "original_filename": "Grüße  aus 東京.png",
        "content_type": "image/png",
        "upload_timestamp": "2026-11-20T10:00:00Z",
        "strongroom-attempt": "0190-attempt",
    },
)


def random_body(size: int) -> bytes:
    return os.urandom(size)


async def put(store: ObjectStore, key: str, *chunks: Chunk, if_none_match: bool = False) -> PutResult:
    size = sum(len(chunk) for chunk in chunks)
    crc32c = checksums.crc32c_of(chunks)
    return await store.put(key, chunks, size=size, crc32c=crc32c, attrs=ATTRS, if_none_match=if_none_match)


async def send_part(store: ObjectStore, key: str, upload_id: str, number: int, body: bytes) -> PartReceipt:
    return await store.upload_part(
        key, upload_id, number, [body], size=len(body), crc32c=checksums.crc32c_of([body])
    )


async def put_in_parts(store: ObjectStore, key: str, bodies: Sequence[bytes]) -> CompleteResult:
    upload_id = await store.create(key, ATTRS)
    parts = [
        await send_part(store, key, upload_id, number, body) for number, body in enumerate(bodies, start=1)
    ]
    return await store.complete(key, upload_id, parts, crc32c=checksums.crc32c_of(bodies))


async def read(
    store: ObjectStore, ref: ObjectRef | str, *, offset: int = 0, length: int | None = None
) -> bytes:
    where = ObjectRef(ref) if isinstance(ref, str) else ref
    async with store.open(where, offset=offset, length=length) as stream:
        body = b"".join([chunk async for chunk in stream])
        assert len(body) == stream.length
        assert stream.offset == offset
        return body
