from __future__ import annotations

import pytest

from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from tests.contract.objectstore.backends import PART
from tests.contract.objectstore.bodies import put, put_in_parts, random_body


async def keys_of(store: ObjectStore, prefix: str) -> list[str]:
    return [found.key async for page in store.list_objects(prefix) for found in page]


async def test_delete_and_again(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "x", b"1")
    result = await store.delete(ObjectRef(prefix + "x"))
    assert not result.delete_marker
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))
    await store.delete(ObjectRef(prefix + "x"))
    assert await keys_of(store, prefix) == []


async def test_deleting_a_multipart_object(store: ObjectStore, prefix: str) -> None:
    await put_in_parts(store, prefix + "x", [random_body(PART), b"tail"])
    await store.delete(ObjectRef(prefix + "x"))
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))


async def test_delete_many_with_missing_ones_among_them(store: ObjectStore, prefix: str) -> None:
    names = [f"{prefix}{n} ü&<>" for n in range(5)]
    for name in names:
        await put(store, name, b"1")
    refs = [ObjectRef(name) for name in [*names[:3], prefix + "never there", names[3]]]
    assert await store.delete_many(refs) == {}
    assert await keys_of(store, prefix) == names[4:]
    assert await store.delete_many([]) == {}


async def test_listing_in_key_order_with_sizes(store: ObjectStore, prefix: str) -> None:
    names = ["b", "a/2", "a/10", "ä", "z", "Z", "a b", "日本"]
    for name in names:
        await put(store, prefix + name, name.encode())
    found = [entry async for page in store.list_objects(prefix) for entry in page]
    assert [entry.key for entry in found] == sorted(prefix + name for name in names)
    assert {entry.key: entry.size for entry in found} == {prefix + n: len(n.encode()) for n in names}
    head = await store.head(ObjectRef(found[0].key))
    # HTTP has whole seconds, some listings (Ceph) fractions of them.
    assert (head.etag, head.last_modified) == (found[0].etag, found[0].last_modified.replace(microsecond=0))
    assert await keys_of(store, prefix + "a/") == [prefix + "a/10", prefix + "a/2"]


async def test_a_prefix_without_objects(store: ObjectStore, prefix: str) -> None:
    assert await keys_of(store, prefix) == []
    assert [found async for page in store.list_versions(prefix) for found in page] == []
    assert await store.list_uploads(prefix) == []
