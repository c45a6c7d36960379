from __future__ import annotations

import asyncio

import pytest

from storage_service.objectstore.errors import ObjectNotFound, PreconditionFailed, RangeNotSatisfiable
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import MIB, ObjectRef
from tests.contract.objectstore.bodies import put, random_body, read

BODY = random_body(100_000)


async def test_missing_objects(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))
    with pytest.raises(ObjectNotFound):
        await read(store, prefix + "x")


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, None), (1, None), (99_999, None), (0, 1), (0, 100_000), (10, 20), (99_990, 500), (0, 0), (50, 0)],
)
async def test_ranges(store: ObjectStore, prefix: str, offset: int, length: int | None) -> None:
    await put(store, prefix + "x", BODY)
    end = None if length is None else offset + length
    assert await read(store, prefix + "x", offset=offset, length=length) == BODY[offset:end]
    async with store.open(ObjectRef(prefix + "x"), offset=offset, length=length) as stream:
        assert stream.info.size == len(BODY)


@pytest.mark.parametrize("offset", [100_000, 100_001, 1 << 40])
async def test_a_range_past_the_end(store: ObjectStore, prefix: str, offset: int) -> None:
    await put(store, prefix + "x", BODY)
    with pytest.raises(RangeNotSatisfiable):
        await read(store, prefix + "x", offset=offset)


async def test_negative_ranges_are_a_bug_of_the_caller(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        await read(store, prefix + "x", offset=-1)


async def test_if_match(store: ObjectStore, prefix: str) -> None:
    stored = await put(store, prefix + "x", BODY)
    ref = ObjectRef(prefix + "x")
    async with store.open(ref, if_match=stored.etag) as stream:
        assert stream.info.etag == stored.etag
    with pytest.raises(PreconditionFailed):
        async with store.open(ref, if_match="0" * 32):
            pytest.fail("opened another object")


async def test_chunks_are_bounded(store: ObjectStore, prefix: str) -> None:
    body = random_body(5 * MIB + 17)
    await put(store, prefix + "x", body)
    sizes, received = [], []
    async with store.open(ObjectRef(prefix + "x")) as stream:
        async for chunk in stream:
            sizes.append(len(chunk))
            received.append(chunk)
    assert b"".join(received) == body
    assert max(sizes) <= MIB
    assert min(sizes) >= 1


async def test_leaving_early_leaves_the_store_usable(store: ObjectStore, prefix: str) -> None:
    body = random_body(4 * MIB)
    await put(store, prefix + "x", body)
    for _ in range(3):
        async with store.open(ObjectRef(prefix + "x")) as stream:
            async for chunk in stream:
                assert body.startswith(chunk)
                break
    assert await read(store, prefix + "x", offset=10, length=10) == body[10:20]


async def test_cancelling_a_reader_leaves_the_store_usable(store: ObjectStore, prefix: str) -> None:
    body = random_body(4 * MIB)
    await put(store, prefix + "x", body)
    started = asyncio.Event()

    async def reader() -> None:
        async with store.open(ObjectRef(prefix + "x")) as stream:
            async for _ in stream:
                started.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(reader())
    await asyncio.wait_for(started.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await read(store, prefix + "x") == body


async def test_many_readers_at_once(store: ObjectStore, prefix: str) -> None:
    body = random_body(2 * MIB)
    await put(store, prefix + "x", body)
    bodies = await asyncio.gather(*(read(store, prefix + "x", offset=n) for n in range(40)))
    assert [len(found) for found in bodies] == [len(body) - n for n in range(40)]
    assert all(body.endswith(found) for found in bodies)
