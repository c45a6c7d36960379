"""At shared keys, nothing is written or committed in a bucket without versions."""

from __future__ import annotations

from typing import Any

import pytest
import structlog.testing

from storage_service.attempts.completion import ATTEMPT_KEY, complete_multipart, verify_put
from storage_service.attempts.engine import Holder, WriteEngine
from storage_service.attempts.removal import remove_blob
from storage_service.attempts.versioning import VersioningGate, not_versioned
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import StoreTimeout
from storage_service.objectstore.values import ObjectAttributes, PutResult, VersioningStatus
from strongroom.errors import BucketNotVersioned, ObjectStoreUnavailable
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.target_pb2 import FileTarget, PathTarget, TempTarget, UploadTarget
from tests.doubles.memory_store import MemoryObjectStore

PATH = UploadTarget(path=PathTarget(path="a.bin"))
ATTEMPT = "5b0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5"
KEYS = pytest.mark.parametrize("key", ["paths/ada/a.bin", "projects/ada/site/index.html"])


class Status(MemoryObjectStore):
    """A bucket whose versioning can be changed."""

    def __init__(self, status: VersioningStatus | Exception) -> None:
        super().__init__()
        self.status = status
        self.asked = 0

    async def versioning_status(self) -> VersioningStatus:
        self.asked += 1
        if isinstance(self.status, Exception):
            raise self.status
        return self.status


@pytest.mark.parametrize(
    "status", [VersioningStatus.OFF, VersioningStatus.SUSPENDED, VersioningStatus.UNSUPPORTED]
)
async def test_paths_are_refused_and_others_are_not_asked_for(status: VersioningStatus) -> None:
    bucket = Status(status)
    gate = VersioningGate(bucket)
    for target in (UploadTarget(file=FileTarget()), UploadTarget(temp=TempTarget())):
        await gate.check_target(target)
    assert bucket.asked == 0
    with pytest.raises(BucketNotVersioned, match="path"):
        await gate.check_target(PATH)
    assert await gate.status() is status
    bucket.status = VersioningStatus.ENABLED
    await gate.check_target(PATH)
    assert await gate.status() is VersioningStatus.ENABLED


async def test_a_bucket_that_is_not_the_databases_takes_nothing() -> None:
    found = [("foreign_bucket", "bring together what belongs together")]
    gate = VersioningGate(Status(VersioningStatus.ENABLED), lambda: found[0] if found else None)
    for begin in (
        gate.check_target(UploadTarget(file=FileTarget())),
        gate.check_target(PATH),
        gate.check_save(),
    ):
        with pytest.raises(ObjectStoreUnavailable, match="another bucket"):
            await begin
    assert await gate.status() is VersioningStatus.ENABLED
    found.clear()
    await gate.check_target(PATH)
    await gate.check_save()


async def test_a_reply_without_a_version_ends_the_trust() -> None:
    bucket = Status(VersioningStatus.ENABLED)
    gate = VersioningGate(bucket)
    for _ in range(3):
        await gate.check_target(PATH)
    assert bucket.asked == 1
    bucket.status = VersioningStatus.SUSPENDED
    gate.distrust()
    with pytest.raises(BucketNotVersioned):
        await gate.check_target(PATH)


async def test_a_write_that_learns_of_it_ends_the_trust_for_all() -> None:
    bucket = Status(VersioningStatus.ENABLED)
    engine = WriteEngine(VersioningGate(bucket), lease_seconds=30, wake_cleaner=lambda: None)
    await engine.gate.check_target(PATH)
    with pytest.raises(BucketNotVersioned):
        async with engine.hold(Holder({}, renew=_nothing, abandon=_nothing)):
            raise not_versioned()
    await engine.gate.check_target(PATH)
    assert bucket.asked == 2
    await engine.aclose()


async def _nothing() -> Any:
    return None


async def test_a_store_that_does_not_answer() -> None:
    gate = VersioningGate(Status(StoreTimeout()))
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):  # another check reports that it doesn't answer
            assert await gate.status() is VersioningStatus.ENABLED
    assert [line["event"] for line in lines] == ["bucket_versioning_unknown"]
    with pytest.raises(ObjectStoreUnavailable):
        await gate.check_target(PATH)


def _blob(key: str, state: blob_pb2.BlobState.ValueType, version_id: str = "") -> blob_pb2.Blob:
    return blob_pb2.Blob(
        id=ATTEMPT, key=key, state=state, kind=blob_pb2.BLOB_KIND_SINGLE, version_id=version_id, size_bytes=5
    )


async def _put(store: MemoryObjectStore, key: str, attempt: str = ATTEMPT) -> PutResult:
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: attempt})
    return await store.put(key, [b"bytes"], size=5, crc32c=crc32c_of([b"bytes"]), attrs=attrs)


@KEYS
async def test_what_got_no_version_is_not_committed(key: str) -> None:
    store = MemoryObjectStore(versioned=False)
    blob = _blob(key, blob_pb2.BLOB_STATE_PENDING)
    put = await _put(store, key)
    with pytest.raises(BucketNotVersioned):
        await verify_put(store, blob, put, 5, crc32c_of([b"bytes"]))
    blob.upload_id = await store.create(key, ObjectAttributes(metadata={ATTEMPT_KEY: ATTEMPT}))
    part = await store.upload_part(key, blob.upload_id, 1, [b"bytes"], size=5, crc32c=crc32c_of([b"bytes"]))
    parts = [blob_pb2.Part(number=1, etag=part.etag, size_bytes=5, crc32c=crc32c_of([b"bytes"]))]
    with pytest.raises(BucketNotVersioned):
        await complete_multipart(store, blob, parts, 5, crc32c_of([b"bytes"]))


@KEYS
@pytest.mark.parametrize(
    "state", [blob_pb2.BLOB_STATE_ABORTING, blob_pb2.BLOB_STATE_GONE], ids=["aborting", "gone"]
)
async def test_a_given_up_attempt_takes_no_null_version_along(
    key: str, state: blob_pb2.BlobState.ValueType
) -> None:
    store = MemoryObjectStore(versioned=False)
    await _put(store, key)
    await remove_blob(store, _blob(key, state))
    assert [page async for page in store.list_versions(key)] != [[]]


@KEYS
async def test_a_file_from_before_goes_with_its_null_version(key: str) -> None:
    store = MemoryObjectStore(versioned=False)
    await _put(store, key)
    await remove_blob(store, _blob(key, blob_pb2.BLOB_STATE_DELETING))
    assert [found async for page in store.list_versions(key) for found in page] == []


@KEYS
@pytest.mark.parametrize("kept_first", [True, False])
async def test_a_request_delivered_twice_leaves_nothing(key: str, kept_first: bool) -> None:
    store = MemoryObjectStore(versioned=True)
    first, second = await _put(store, key), await _put(store, key)
    foreign = await _put(store, key, "0d2bfc64-8ac5-4c5e-a3ad-93c2c4a1c7e2")
    committed = (first if kept_first else second).version_id or ""
    for state in (blob_pb2.BLOB_STATE_DELETING, blob_pb2.BLOB_STATE_GONE):
        await remove_blob(store, _blob(key, state, committed))
    found = [version.version_id async for page in store.list_versions(key) for version in page]
    assert found == [foreign.version_id]
