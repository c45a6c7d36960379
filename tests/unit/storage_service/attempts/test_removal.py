"""Objects left by late requests are removed; committed, recorded and others' objects stay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from storage_service.attempts import removal
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.removal import (
    remove_attempts,
    remove_blob,
    verify_sole_version,
    versions_at,
)
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectRef, PutResult
from strongroom.errors import BucketNotVersioned
from strongroom.metadata.v1 import blob_pb2
from tests.doubles.memory_store import MemoryObjectStore

ATTEMPT = "5b0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5"
OTHER = "0d2bfc64-8ac5-4c5e-a3ad-93c2c4a1c7e2"
KEYS = pytest.mark.parametrize("key", ["uploads/alice/a.bin", "paths/alice/a.bin"])


class _Counting(MemoryObjectStore):
    """Counts the lists of versions."""

    lists = 0

    async def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        self.lists += 1
        async for page in super().list_versions(prefix, after=after):
            yield page


async def _put(store: MemoryObjectStore, key: str, attempt: str, body: bytes = b"bytes") -> str:
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: attempt})
    put = await store.put(key, [body], size=len(body), crc32c=crc32c_of([body]), attrs=attrs)
    assert put.version_id is not None
    return put.version_id


async def _versions(store: MemoryObjectStore, key: str) -> set[str]:
    return {version.version_id async for page in store.list_versions(key) for version in page}


def _leftovers(key: str, version_id: str, upload_id: str = "") -> blob_pb2.Blob:
    return blob_pb2.Blob(
        id="a7a1a5b0-7b6f-4a0d-a9f7-1f5c2f3c9d11",
        kind=blob_pb2.BLOB_KIND_LEFTOVERS,
        state=blob_pb2.BLOB_STATE_GONE,
        key=key,
        version_id=version_id,
        upload_id=upload_id,
        object_metadata={ATTEMPT_KEY: ATTEMPT},
    )


@pytest.mark.parametrize("later", [False, True])
async def test_a_copy_whose_version_the_store_does_not_name_is_found(later: bool) -> None:
    """Ceph answers CopyObject without x-amz-version-id, even in a versioned bucket."""
    store = MemoryObjectStore(versioned=True)
    key, body = "paths/alice/a.bin", b"bytes"
    await _put(store, key, OTHER)
    made = await _put(store, key, ATTEMPT)
    if later:
        await _put(store, key, OTHER)
    blob = blob_pb2.Blob(id=ATTEMPT, key=key, kind=blob_pb2.BLOB_KIND_COPY)
    etag = (await store.head(ObjectRef(key, made))).etag
    silent = PutResult(etag, None, crc32c_verified=False)
    commit = await verify_sole_version(store, blob, silent, len(body), crc32c_of([body]))
    assert commit.version_id == made


async def test_a_copy_in_a_bucket_without_versions_is_refused() -> None:
    store = MemoryObjectStore(versioned=False)
    body = [b"bytes"]
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: ATTEMPT})
    put = await store.put("paths/alice/a.bin", body, size=5, crc32c=crc32c_of(body), attrs=attrs)
    blob = blob_pb2.Blob(id=ATTEMPT, key="paths/alice/a.bin", kind=blob_pb2.BLOB_KIND_COPY)
    with pytest.raises(BucketNotVersioned):
        await verify_sole_version(store, blob, put, 5, crc32c_of(body))


@KEYS
async def test_a_second_version_of_the_attempt_goes(key: str) -> None:
    store = MemoryObjectStore(versioned=True)
    kept = await _put(store, key, ATTEMPT)
    foreign = await _put(store, key, OTHER)
    await _put(store, key, ATTEMPT)
    await _put(store, key + ".other", ATTEMPT)
    for _ in range(2):
        await remove_blob(store, _leftovers(key, kept))
        assert await _versions(store, key) >= {kept, foreign}
        assert len(await _versions(store, key)) == 3  # including the neighbour's
    assert (await store.head(ObjectRef(key))).version_id == foreign


@KEYS
async def test_where_nothing_is_to_be_kept_all_of_the_attempt_goes(key: str) -> None:
    store = MemoryObjectStore(versioned=True)
    await _put(store, key, ATTEMPT)
    await remove_blob(store, _leftovers(key, ""))
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(key))
    assert await _versions(store, key) == set()


async def test_only_unrecorded_uploads_are_aborted_and_only_where_the_key_is_its_own() -> None:
    store = MemoryObjectStore(versioned=True)
    own, shared = "uploads/alice/a.bin", "paths/alice/a.bin"
    recorded = await store.create(own, ObjectAttributes())
    for key in (own, shared):
        await store.create(key, ObjectAttributes())
        await remove_blob(store, _leftovers(key, "v", recorded))
    assert [upload.upload_id for upload in await store.list_uploads(own)] == [recorded]
    assert len(await store.list_uploads(shared)) == 1


@pytest.mark.parametrize("recorded", [False, True])
async def test_uploads_of_a_longer_key_are_left_alone(recorded: bool) -> None:
    store = MemoryObjectStore(versioned=True)
    key, longer = "uploads/alice/a.bin", "uploads/alice/a.bin.gz"
    blob = _leftovers(key, "v", "u") if recorded else blob_pb2.Blob(id=ATTEMPT, key=key)
    mine, theirs = [await store.create(one, ObjectAttributes()) for one in (key, longer)]
    await remove_blob(store, blob)
    assert mine != theirs
    assert [upload.upload_id for upload in await store.list_uploads(key)] == [theirs]


async def test_the_upload_of_a_copy_in_parts_is_aborted() -> None:
    store = MemoryObjectStore(versioned=True)
    key = "paths/alice/a.bin"
    upload = await store.create(key, ObjectAttributes())
    blob = blob_pb2.Blob(id=ATTEMPT, key=key, kind=blob_pb2.BLOB_KIND_COPY, upload_id=upload)
    await remove_blob(store, blob)
    assert await store.list_uploads(key) == []


@KEYS
async def test_a_repeated_put_leaves_the_version_to_be_committed_alone(key: str) -> None:
    store = MemoryObjectStore(versioned=True)
    await _put(store, key, ATTEMPT)
    kept = await _put(store, key, ATTEMPT)
    put = PutResult((await store.head(ObjectRef(key, kept))).etag, kept, crc32c_verified=True, repeated=True)
    blob = blob_pb2.Blob(id=ATTEMPT, key=key, kind=blob_pb2.BLOB_KIND_SINGLE)
    commit = await verify_sole_version(store, blob, put, 5, crc32c_of([b"bytes"]))
    assert (commit.version_id, commit.doubtful) == (kept, True)
    assert await _versions(store, key) == {kept}


async def test_the_only_version_of_a_bucket_without_versions_is_no_leftover() -> None:
    store = MemoryObjectStore(versioned=False)
    key, body = "uploads/alice/a.bin", [b"bytes"]
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: ATTEMPT})
    await store.put(key, body, size=5, crc32c=crc32c_of(body), attrs=attrs)
    await remove_blob(store, _leftovers(key, ""))
    assert (await store.head(ObjectRef(key))).size == 5


async def test_a_version_of_another_size_is_not_a_committed_attempts() -> None:
    """Not even if another attempt removed with it might have written one of that size."""
    store = MemoryObjectStore(versioned=True)
    key = "paths/alice/a.bin"
    committed = await _put(store, key, ATTEMPT)
    longer = await _put(store, key, ATTEMPT, b"more bytes")
    blobs = [
        blob_pb2.Blob(id=ATTEMPT, key=key, version_id=committed, size_bytes=5),
        blob_pb2.Blob(id=OTHER, key=key),
    ]
    await remove_attempts(store, blobs)
    assert await _versions(store, key) == {longer}


@KEYS
async def test_versions_of_one_multipart_upload_stay_together(key: str) -> None:
    """In Swift both versions share their parts, so removing either would damage the other."""
    store = MemoryObjectStore(versioned=True)
    kept, twin = await _put(store, key, ATTEMPT), await _put(store, key, ATTEMPT)
    await remove_blob(store, _leftovers(key, kept, "upload"))
    assert await _versions(store, key) == {kept, twin}
    committed = blob_pb2.Blob(
        id=ATTEMPT,
        kind=blob_pb2.BLOB_KIND_MULTIPART,
        state=blob_pb2.BLOB_STATE_DELETING,
        key=key,
        version_id=kept,
        upload_id="upload",
    )
    await remove_blob(store, committed)
    assert await _versions(store, key) == set()


@KEYS
async def test_only_what_was_deleted_is_looked_for_again(key: str) -> None:
    """Most visits find nothing: each file's tombstone, and each attempt that has stored nothing."""
    store = _Counting(versioned=True)
    version = await _put(store, key, ATTEMPT)
    blob = blob_pb2.Blob(id=ATTEMPT, key=key, version_id=version, state=blob_pb2.BLOB_STATE_DELETING)
    await remove_blob(store, blob)
    assert store.lists == 2
    blob.state = blob_pb2.BLOB_STATE_GONE
    await remove_blob(store, blob)
    assert store.lists == 3
    assert await _versions(store, key) == set()


async def test_keys_that_begin_alike_are_not_listed_to_their_end() -> None:
    pages: list[int] = []

    class Paged(MemoryObjectStore):
        async def list_versions(
            self, prefix: str, *, after: str = ""
        ) -> AsyncIterator[Sequence[ListedVersion]]:
            async for page in super().list_versions(prefix, after=after):
                pages.append(len(page))
                yield page

    store = Paged(versioned=True, page_size=2)
    key = "uploads/alice/a"
    for name in (key, *(f"{key}{number}" for number in range(9))):
        await _put(store, name, ATTEMPT)
    assert len(await versions_at(store, key)) == 1
    assert pages == [2]


async def test_versions_are_asked_for_in_pages_and_none_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "FEW_VERSIONS", 2)
    monkeypatch.setattr(removal, "MOST_VERSIONS", 2)
    store = MemoryObjectStore(versioned=True)
    key = "paths/alice/a.bin"
    others = await _put(store, key, OTHER)
    for _ in range(4):
        await _put(store, key, ATTEMPT)
    asked: list[int] = []

    async def unrecorded(_: str, some: list[str]) -> set[str]:
        asked.append(len(some))
        return set(some) - {others}

    await remove_blob(store, blob_pb2.Blob(id=ATTEMPT, key=key), unrecorded)
    assert asked == [2, 2, 1]
    assert await _versions(store, key) == {others}
