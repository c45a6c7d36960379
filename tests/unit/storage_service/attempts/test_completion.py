"""From all bytes being in S3 to the request for T4, whatever the store replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from storage_service.attempts.completion import ATTEMPT_KEY, complete_multipart, verify_put
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import (
    AccessDenied,
    InvalidPart,
    StoreError,
    StoreTimeout,
    UploadNotFound,
)
from storage_service.objectstore.values import (
    CompleteResult,
    Doubtful,
    ObjectAttributes,
    ObjectRef,
    PartReceipt,
    PutResult,
)
from strongroom.errors import ChecksumMismatch, ObjectStoreUnavailable, UploadLost
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest
from tests.doubles.memory_store import MemoryObjectStore

BODY = b"bytes"
CRC32C = crc32c_of([BODY])
BLOB = blob_pb2.Blob(id="5b0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5", key="files/one")
UNANSWERED = StoreTimeout(outcome_unknown=True)
OTHER = "00000000-52c5-4d3c-8f43-6f5f6f9ad2f5"


class Store(MemoryObjectStore):
    """Completes (unless not ``applied``), then raises ``error``. ``repeats``: it sent the request twice."""

    def __init__(
        self, error: StoreError | None = None, *, applied: bool = True, repeats: bool = False
    ) -> None:
        super().__init__()
        self.error, self.applied, self.repeats = error, applied, repeats

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
        result = CompleteResult("", None, crc32c_verified=False)
        if self.applied:
            result = await super().complete(key, upload_id, parts)  # some stores compare no checksum
        if doubtful is not None:
            doubtful.is_so = self.repeats
        if self.error is not None:
            raise self.error
        return result


async def completed(
    store: Store, *, attempt: str = BLOB.id, size: int = len(BODY), crc32c: int = CRC32C
) -> CommitRequest:
    """Send one part to the store, complete the upload, and expect ``size`` and ``crc32c``."""
    blob = blob_pb2.Blob()
    blob.CopyFrom(BLOB)
    blob.upload_id = await store.create(blob.key, ObjectAttributes(metadata={ATTEMPT_KEY: attempt}))
    sent = await store.upload_part(blob.key, blob.upload_id, 1, [BODY], size=len(BODY), crc32c=CRC32C)
    part = blob_pb2.Part(number=1, etag=sent.etag, size_bytes=len(BODY), crc32c=CRC32C)
    return await complete_multipart(store, blob, [part], size, crc32c)


@pytest.mark.parametrize(
    ("store", "doubtful"),
    [
        (Store(), False),
        (Store(repeats=True), True),
        (Store(UNANSWERED), True),
        (Store(UploadNotFound()), True),
    ],
    ids=["answered", "repeated", "unanswered", "gone"],
)
async def test_the_object_is_committed_and_a_late_request_is_expected(store: Store, doubtful: bool) -> None:
    commit = await completed(store)
    info = await store.head(ObjectRef(BLOB.key))
    assert (commit.size_bytes, commit.crc32c) == (len(BODY), CRC32C)
    assert (commit.etag, commit.version_id) == (info.etag, info.version_id)
    assert commit.doubtful is doubtful


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UNANSWERED, ObjectStoreUnavailable),  # to be tried again: the parts are kept
        (UploadNotFound(), UploadLost),
        (InvalidPart(), UploadLost),
        (AccessDenied(), AccessDenied),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, StoreError) else "",
)
async def test_without_an_object_the_error_says_whether_the_parts_are_lost(
    error: StoreError, told: type[Exception]
) -> None:
    with pytest.raises(told):
        await completed(Store(error, applied=False))


async def test_a_store_that_does_not_show_what_it_has_made_is_asked_again_later() -> None:
    with pytest.raises(ObjectStoreUnavailable, match="has just made"):
        await completed(Store(applied=False))


async def test_a_refused_request_does_not_make_the_object_there_ones_own() -> None:
    with pytest.raises(AccessDenied):
        await completed(Store(AccessDenied()))


@pytest.mark.parametrize(
    "wrong", [{"attempt": OTHER}, {"size": 4}, {"crc32c": 7}], ids=["attempt", "size", "checksum"]
)
async def test_another_object_is_not_committed(wrong: dict[str, int]) -> None:
    with pytest.raises(ChecksumMismatch):
        await completed(Store(UNANSWERED), **wrong)  # type: ignore[arg-type]


async def put(store: Store, attempt: str = BLOB.id) -> PutResult:
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: attempt})
    return await store.put(BLOB.key, [BODY], size=len(BODY), crc32c=CRC32C, attrs=attrs)


@pytest.mark.parametrize("repeated", [False, True])
async def test_a_put_that_was_sent_twice_may_come_once_more(repeated: bool) -> None:
    store = Store()
    sent = replace(await put(store), repeated=repeated)
    assert (await verify_put(store, BLOB, sent, len(BODY), CRC32C)).doubtful is repeated


async def test_a_reply_that_proves_nothing_is_followed_by_a_look() -> None:
    store = Store()
    sent = replace(await put(store), etag="", crc32c_verified=False)
    commit = await verify_put(store, BLOB, sent, len(BODY), CRC32C)
    assert commit.etag == (await store.head(ObjectRef(BLOB.key))).etag
    with pytest.raises(ChecksumMismatch):
        await verify_put(store, BLOB, replace(sent, etag="x"), len(BODY), 7)
    with pytest.raises(ChecksumMismatch):
        await verify_put(store, BLOB, replace(sent, crc32c_verified=True), len(BODY), 7)
