"""A key that is too long for the store is never sent: Swift would stop answering for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import KeyTooLong
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.objectstore.values import ObjectAttributes, ObjectRef

ATTRS = ObjectAttributes(content_type="text/plain")
OPTIONS = S3Options(
    bucket="bucket",
    endpoint_url="http://127.0.0.1:1",
    access_key_id="a",
    secret_access_key="b",
    max_key_bytes=300,
)
HOUR = timedelta(hours=1)
LONG = ["a" * 301, "\u65e5" * 34, "=" * 101, "\U0001f600" * 26, "a/" * 151]


@pytest.mark.parametrize("key", LONG, ids=["ASCII", "CJK", "escaped", "emoji", "folders"])
async def test_a_longer_key_is_not_sent(key: str) -> None:
    store = open_s3_store(OPTIONS)
    crc32c = checksums.extend(0, b"x")
    calls = [
        store.put(key, [b"x"], size=1, crc32c=crc32c, attrs=ATTRS),
        store.create(key, ATTRS),
        store.copy(ObjectRef("a"), key, ATTRS, size=1),
        store.presign_put(key, ATTRS, size=1, crc32c=None, expires=HOUR),
        store.post_form(key, ATTRS, min_size=1, max_size=1, expires=HOUR),
    ]
    try:
        for call in calls:
            with pytest.raises(KeyTooLong) as caught:
                await call
            assert caught.value.limit == 300
    finally:
        await store.aclose()


async def test_the_longest_key_is_sent() -> None:
    store = open_s3_store(OPTIONS)
    try:
        for key in ("a" * 300, "\u65e5" * 33, "=" * 100, "a/" * 150):
            assert (await store.presign_put(key, ATTRS, size=1, crc32c=None, expires=HOUR)).url
    finally:
        await store.aclose()
