from __future__ import annotations

import pytest

from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, VersioningStatus
from tests.contract.objectstore.backends import PART
from tests.contract.objectstore.bodies import ATTRS, put, put_in_parts, random_body, read


async def test_versioning_status(store: ObjectStore, versioned: ObjectStore) -> None:
    assert await store.versioning_status() is VersioningStatus.OFF
    assert await versioned.versioning_status() is VersioningStatus.ENABLED


async def test_an_unversioned_bucket_names_no_versions(store: ObjectStore, prefix: str) -> None:
    assert (await put(store, prefix + "x", b"1")).version_id is None
    assert (await store.head(ObjectRef(prefix + "x"))).version_id is None


async def test_the_version_that_is_listed_as_null_is_deleted_by_that_name(
    store: ObjectStore, prefix: str
) -> None:
    await put(store, prefix + "x", b"1")
    (found,) = [version async for page in store.list_versions(prefix) for version in page]
    assert found.version_id == "null"
    await store.delete(found.ref)
    assert [version async for page in store.list_versions(prefix) for version in page] == []


async def test_every_version_stays_readable(versioned: ObjectStore, prefix: str) -> None:
    ids = [(await put(versioned, prefix + "x", body)).version_id for body in (b"one", b"two", b"three")]
    assert None not in ids
    assert len(set(ids)) == 3
    for version_id, body in zip(ids, (b"one", b"two", b"three"), strict=True):
        ref = ObjectRef(prefix + "x", version_id)
        assert await read(versioned, ref) == body
        assert (await versioned.head(ref)).version_id == version_id
    assert await read(versioned, prefix + "x") == b"three"


async def test_versions_of_multipart_objects(versioned: ObjectStore, prefix: str) -> None:
    first, second = random_body(PART), random_body(PART)
    await put_in_parts(versioned, prefix + "x", [first, b"1"])
    old = (await versioned.head(ObjectRef(prefix + "x"))).version_id
    await put_in_parts(versioned, prefix + "x", [second, b"2"])
    assert old is not None
    assert await read(versioned, ObjectRef(prefix + "x", old), offset=PART) == b"1"
    assert (await versioned.head(ObjectRef(prefix + "x", old))).metadata == ATTRS.metadata
    assert await read(versioned, prefix + "x", offset=PART) == b"2"


async def test_an_unknown_version(versioned: ObjectStore, prefix: str) -> None:
    stored = await put(versioned, prefix + "x", b"1")
    assert stored.version_id is not None
    other = stored.version_id[:-1] + ("1" if stored.version_id[-1] != "1" else "2")
    with pytest.raises(ObjectNotFound):
        await versioned.head(ObjectRef(prefix + "x", other))
    with pytest.raises(ObjectNotFound):
        await read(versioned, ObjectRef(prefix + "x", other))


async def test_delete_without_version_adds_a_marker(versioned: ObjectStore, prefix: str) -> None:
    stored = await put(versioned, prefix + "x", b"1")
    result = await versioned.delete(ObjectRef(prefix + "x"))
    assert result.delete_marker
    assert result.version_id not in {None, stored.version_id}
    with pytest.raises(ObjectNotFound):
        await versioned.head(ObjectRef(prefix + "x"))
    with pytest.raises(ObjectNotFound):
        await versioned.head(ObjectRef(prefix + "x", result.version_id))
    assert await read(versioned, ObjectRef(prefix + "x", stored.version_id)) == b"1"


async def test_listing_versions_and_markers(versioned: ObjectStore, prefix: str) -> None:
    old = await put(versioned, prefix + "a", b"1")
    new = await put(versioned, prefix + "a", b"22")
    other = await put(versioned, prefix + "b", b"333")
    marker = await versioned.delete(ObjectRef(prefix + "b"))
    found = [entry async for page in versioned.list_versions(prefix) for entry in page]
    assert {(e.key, e.version_id, e.is_latest, e.is_delete_marker, e.size) for e in found} == {
        (prefix + "a", old.version_id, False, False, 1),
        (prefix + "a", new.version_id, True, False, 2),
        (prefix + "b", other.version_id, False, False, 3),
        (prefix + "b", marker.version_id, True, True, 0),
    }
    assert [entry.key for entry in found] == sorted(entry.key for entry in found)
    assert [entry.is_latest for entry in found] == [True, False, True, False]


async def test_listing_goes_on_after_a_key(versioned: ObjectStore, prefix: str) -> None:
    names = ("a", "a/b", "a0", "b", "ü")
    for name in names:
        await put(versioned, prefix + name, b"1")
        await put(versioned, prefix + name, b"22")
    await versioned.delete(ObjectRef(prefix + "b"))
    for at, name in enumerate(names):
        pages = versioned.list_versions(prefix, after=prefix + name)
        found = {entry.key.removeprefix(prefix) async for page in pages for entry in page}
        assert found == set(names[at + 1 :])


async def test_deleting_versions_one_by_one(versioned: ObjectStore, prefix: str) -> None:
    old = await put(versioned, prefix + "x", b"1")
    await put(versioned, prefix + "x", b"2")
    await versioned.delete(ObjectRef(prefix + "x", old.version_id))
    with pytest.raises(ObjectNotFound):
        await versioned.head(ObjectRef(prefix + "x", old.version_id))
    assert await read(versioned, prefix + "x") == b"2"


async def test_deleting_every_version_and_marker(versioned: ObjectStore, prefix: str) -> None:
    for name in ("a", "b"):
        await put(versioned, prefix + name, b"1")
        await put(versioned, prefix + name, b"2")
    await versioned.delete(ObjectRef(prefix + "b"))
    refs = [entry.ref async for page in versioned.list_versions(prefix) for entry in page]
    assert len(refs) == 5
    assert await versioned.delete_many(refs) == {}
    assert [entry async for page in versioned.list_versions(prefix) for entry in page] == []
