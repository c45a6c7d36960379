from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    ChecksumMismatch,
    InvalidRequest,
    ObjectNotFound,
    PreconditionFailed,
)
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from tests.contract.objectstore.backends import having
from tests.contract.objectstore.bodies import ATTRS, put, random_body, read

KEYS = [
    "plain.bin",
    "a b+c&d=e?f#g.bin",
    "grüße/東京/=7Cx@~.txt",
    "%41%2F..%00",
    "dots/./../x",
    "q'\"<>*!().bin",
]


@pytest.mark.parametrize("name", KEYS)
async def test_any_key_is_kept_as_it_is(store: ObjectStore, prefix: str, name: str) -> None:
    await put(store, prefix + name, b"body of ", name.encode())
    assert await read(store, prefix + name) == b"body of " + name.encode()
    listed = [found.key async for page in store.list_objects(prefix) for found in page]
    assert listed == [prefix + name]


async def test_body_of_mixed_chunks_comes_back_byte_for_byte(store: ObjectStore, prefix: str) -> None:
    body = random_body(300_000)
    view = memoryview(bytearray(body))
    result = await put(store, prefix + "x", body[:100_000], b"", view[100_000:100_001], view[100_001:])
    assert await read(store, prefix + "x") == body
    assert result.crc32c_verified
    assert '"' not in result.etag


async def test_an_empty_object(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "empty")
    info = await store.head(ObjectRef(prefix + "empty"))
    assert info.size == 0
    assert await read(store, prefix + "empty") == b""
    assert await read(store, prefix + "empty", length=10) == b""


async def test_head_tells_what_was_put(store: ObjectStore, prefix: str) -> None:
    result = await put(store, prefix + "x", b"12345")
    info = await store.head(ObjectRef(prefix + "x"))
    assert (info.key, info.size, info.etag) == (prefix + "x", 5, result.etag)
    assert info.content_type == "image/png"
    assert info.metadata == ATTRS.metadata
    assert abs(datetime.now(UTC) - info.last_modified) < timedelta(minutes=5)
    assert info.crc32c in {None, checksums.crc32c_of([b"12345"])}


async def test_putting_again_replaces(store: ObjectStore, prefix: str) -> None:
    first = await put(store, prefix + "x", b"old")
    second = await put(store, prefix + "x", b"new one")
    assert await read(store, prefix + "x") == b"new one"
    assert first.etag != second.etag


@pytest.mark.parametrize("backend", having("checksums"), indirect=True)
async def test_a_wrong_checksum_stores_nothing(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ChecksumMismatch) as caught:
        await store.put(prefix + "x", [b"body"], size=4, crc32c=1, attrs=ATTRS)
    assert caught.value.retryable
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))


@pytest.mark.parametrize("backend", having("conditions"), indirect=True)
async def test_if_none_match_refuses_an_existing_key(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "x", b"first", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        await put(store, prefix + "x", b"second", if_none_match=True)
    assert await read(store, prefix + "x") == b"first"


async def test_long_metadata_is_cut_but_readable(store: ObjectStore, prefix: str) -> None:
    name = "東" * 200 + ".png"
    attrs = ObjectAttributes(metadata={"original_filename": name, "strongroom-attempt": "a"})
    await store.put(prefix + "x", [b"1"], size=1, crc32c=checksums.crc32c_of([b"1"]), attrs=attrs)
    info = await store.head(ObjectRef(prefix + "x"))
    kept = info.metadata["original_filename"]
    assert name.startswith(kept[:50])
    assert info.metadata["strongroom-attempt"] == "a"


@pytest.mark.parametrize("backend", having("http"), indirect=True)
async def test_metadata_that_no_store_could_hold_is_refused(store: ObjectStore, prefix: str) -> None:
    attrs = ObjectAttributes(metadata={"Bad Key": "x"})
    with pytest.raises(InvalidRequest, match="metadata key"):
        await store.put(prefix + "x", [b"1"], size=1, crc32c=checksums.crc32c_of([b"1"]), attrs=attrs)
