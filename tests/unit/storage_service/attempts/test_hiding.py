"""A deleted object is hidden from readers without a version; no other object is, and no bytes are removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.removal import hide_blob, remove_blob
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.values import DeleteResult, ListedVersion, ObjectAttributes, ObjectRef
from strongroom.metadata.v1 import blob_pb2
from tests.doubles.memory_store import MemoryObjectStore

OWN_KEY = "uploads/alice/a.bin"
SHARED_KEY = "paths/alice/a.bin"
KEYS = pytest.mark.parametrize("key", [OWN_KEY, SHARED_KEY, "projects/alice/site/a.bin"])


async def put(store: MemoryObjectStore, key: str, attempt: str) -> str:
    body = [b"bytes"]
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: attempt})
    made = await store.put(key, body, size=5, crc32c=crc32c_of(body), attrs=attrs)
    return made.version_id or ""


async def listed(store: MemoryObjectStore, key: str) -> list[ListedVersion]:
    return [version async for page in store.list_versions(key) for version in page]


async def is_current(store: MemoryObjectStore, key: str) -> bool:
    try:
        await store.head(ObjectRef(key))
    except ObjectNotFound:
        return False
    return True


def deleted(key: str, version_id: str, attempt: str = "one") -> blob_pb2.Blob:
    return blob_pb2.Blob(
        id=attempt,
        kind=blob_pb2.BLOB_KIND_SINGLE,
        state=blob_pb2.BLOB_STATE_DELETING,
        key=key,
        version_id=version_id,
        size_bytes=5,
        hide_only=True,
    )


@KEYS
async def test_it_is_hidden_once_and_removed_with_its_marker(key: str) -> None:
    store = MemoryObjectStore()
    blob = deleted(key, await put(store, key, "one"))
    for _ in range(2):
        await hide_blob(store, blob)
    assert not await is_current(store, key)
    assert (await store.head(ObjectRef(key, blob.version_id))).size == 5
    assert len(await listed(store, key)) == 2
    await remove_blob(store, blob)
    assert await listed(store, key) == []


@pytest.mark.parametrize("key", [SHARED_KEY, "projects/alice/site/a.bin"])
async def test_what_is_newer_stays_on_top(key: str) -> None:
    store = MemoryObjectStore()
    blob = deleted(key, await put(store, key, "one"))
    newer = await put(store, key, "two")
    await hide_blob(store, blob)
    assert (await store.head(ObjectRef(key))).version_id == newer
    await remove_blob(store, blob)
    assert [version.version_id for version in await listed(store, key)] == [newer]


class Overtaken(MemoryObjectStore):
    """A store in which another writer's object arrives between the look and the DELETE."""

    async def delete(self, ref: ObjectRef) -> DeleteResult:
        if not ref.version_id:
            await put(self, ref.key, "two")
        return await super().delete(ref)


async def test_an_object_that_came_to_lie_below_the_marker_is_shown_again() -> None:
    store = Overtaken()
    blob = deleted(SHARED_KEY, await put(store, SHARED_KEY, "one"))
    await hide_blob(store, blob)
    assert (await store.head(ObjectRef(SHARED_KEY))).metadata[ATTEMPT_KEY] == "two"


async def test_a_pass_that_died_after_its_marker_is_mended_by_the_next() -> None:
    store = MemoryObjectStore()
    blob = deleted(SHARED_KEY, await put(store, SHARED_KEY, "one"))
    await put(store, SHARED_KEY, "two")
    await store.delete(ObjectRef(SHARED_KEY))  # of a pass for "one" that had not seen "two" yet
    await hide_blob(store, blob)
    assert (await store.head(ObjectRef(SHARED_KEY))).metadata[ATTEMPT_KEY] == "two"


class Unversioned(MemoryObjectStore):
    """A store without versioning that records whether versions were listed."""

    asked = False

    async def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        self.asked = True
        async for page in super().list_versions(prefix, after=after):
            yield page


@pytest.mark.parametrize("version_id", ["", "null"])
async def test_where_a_marker_would_take_the_bytes_there_is_none(version_id: str) -> None:
    store = Unversioned(versioned=False)
    await put(store, OWN_KEY, "one")
    await hide_blob(store, deleted(OWN_KEY, version_id))
    assert not store.asked
    assert await is_current(store, OWN_KEY)
