from __future__ import annotations

import pytest

from storage_service.objectstore.errors import ObjectNotFound, PreconditionFailed
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import MIB, ObjectAttributes, ObjectRef
from tests.contract.objectstore.backends import PART, having
from tests.contract.objectstore.bodies import put, put_in_parts, random_body, read

OTHER = ObjectAttributes(content_type="text/plain", metadata={"user_id": "user-2", "strongroom-attempt": "b"})


async def test_a_copy_has_the_bytes_and_its_own_attributes(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "a b+ü", b"bytes")
    result = await store.copy(ObjectRef(prefix + "a b+ü"), prefix + "copy ü", OTHER, size=5)
    info = await store.head(ObjectRef(prefix + "copy ü"))
    assert await read(store, prefix + "copy ü") == b"bytes"
    assert (info.content_type, info.metadata, info.etag) == ("text/plain", OTHER.metadata, result.etag)


async def test_copying_a_multipart_object(store: ObjectStore, prefix: str) -> None:
    bodies = [random_body(PART), b"tail"]
    await put_in_parts(store, prefix + "a", bodies)
    await store.copy(ObjectRef(prefix + "a"), prefix + "b", OTHER, size=PART + 4)
    assert await read(store, prefix + "b") == b"".join(bodies)


async def test_large_copies_go_in_parts(store: ObjectStore, prefix: str) -> None:
    body = random_body(11 * MIB)
    stored = await put(store, prefix + "a", body)
    await store.copy(ObjectRef(prefix + "a"), prefix + "b", OTHER, size=len(body), if_match=stored.etag)
    info = await store.head(ObjectRef(prefix + "b"))
    assert (info.size, info.metadata) == (len(body), OTHER.metadata)
    assert await read(store, prefix + "b") == body
    assert await store.list_uploads(prefix) == []


@pytest.mark.parametrize("backend", having("copy_conditions"), indirect=True)
async def test_a_failed_large_copy_leaves_no_upload(store: ObjectStore, prefix: str) -> None:
    body = random_body(7 * MIB)
    await put(store, prefix + "a", body)
    with pytest.raises(PreconditionFailed):
        await store.copy(ObjectRef(prefix + "a"), prefix + "b", OTHER, size=len(body), if_match="0" * 32)
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "b"))
    assert await store.list_uploads(prefix) == []


async def test_copying_a_version(versioned: ObjectStore, prefix: str) -> None:
    old = await put(versioned, prefix + "x", b"old")
    await put(versioned, prefix + "x", b"newer")
    result = await versioned.copy(ObjectRef(prefix + "x", old.version_id), prefix + "x", OTHER, size=3)
    assert result.version_id not in {None, old.version_id}
    assert await read(versioned, prefix + "x") == b"old"
    assert await read(versioned, ObjectRef(prefix + "x", result.version_id)) == b"old"


async def test_copying_nothing(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ObjectNotFound):
        await store.copy(ObjectRef(prefix + "nothing"), prefix + "b", OTHER, size=1)


@pytest.mark.parametrize("backend", having("copy_conditions"), indirect=True)
async def test_copying_something_else_than_expected(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "a", b"1")
    with pytest.raises(PreconditionFailed):
        await store.copy(ObjectRef(prefix + "a"), prefix + "b", OTHER, size=1, if_match="0" * 32)
