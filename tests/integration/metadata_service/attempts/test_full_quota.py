"""At a full quota: what adds nothing is allowed, in whatever order it ends, and nothing comes beyond it."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import psycopg
import pytest

from metadata_service.attempts.reservation import Session
from metadata_service.blobs.rows import BlobRow
from metadata_service.config import Limits
from metadata_service.db.database import Transaction, user
from metadata_service.files.deletion import Deletion
from metadata_service.usage import quota
from strongroom.errors import AlreadyExists, FileCountExceeded, FileNotFound, QuotaExceeded
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.target_pb2 import MovedFile, UploadSpec
from tests.integration.metadata_service.waiting import waited
from tests.integration.metadata_service.world import World, path_spec, plain_spec

FULL = Limits(bytes=100, files=2)
WAITING = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
"""


def picture_spec(size: int) -> UploadSpec:
    spec = UploadSpec(filename="me.png", content_type="image/png", size_bytes=size)
    spec.target.profile_picture.SetInParent()
    return spec


async def full(world: World, owner: str) -> World:
    """60 bytes at the path `a`, a profile picture of 40."""
    world = world.but(limits=FULL)
    await world.upload(owner, path_spec("a", size_bytes=60), size=60)
    await world.upload(owner, picture_spec(40), size=40)
    return world


@pytest.mark.parametrize("size", [60, 59, 0])
async def test_what_is_no_larger_than_what_it_replaces(world: World, owner: str, size: int) -> None:
    world = await full(world, owner)
    assert (await world.upload(owner, path_spec("a", size_bytes=size), size=size)).generation == 2
    assert (await world.usage.usage(owner)).used_bytes == size + 40


async def test_a_picture_too_and_both_at_once(world: World, owner: str) -> None:
    world = await full(world, owner)
    picture = await world.attempt(owner, picture_spec(40))
    assert (await world.upload(owner, path_spec("a", size_bytes=60), size=60)).generation == 2
    assert (await world.commit(picture, 40)).file.generation == 2


@pytest.mark.parametrize("spec", [path_spec("a", size_bytes=61), path_spec("A", size_bytes=1)])
async def test_what_is_larger_or_elsewhere_is_refused(world: World, owner: str, spec: UploadSpec) -> None:
    world = (await full(world, owner)).but(limits=Limits(bytes=100))
    with pytest.raises(QuotaExceeded) as caught:
        await world.reserve(owner, spec)
    assert caught.value.metadata == {"limit": "100", "used": "100"}
    assert caught.value.message.endswith("this would make it 101; delete something.")


async def test_only_one_of_several_gets_the_place(world: World, owner: str) -> None:
    world = await full(world, owner)
    first = await world.attempt(owner, path_spec("a", size_bytes=60))
    with pytest.raises(QuotaExceeded, match="wait for your other uploads, which take 60 bytes of it"):
        await world.reserve(owner, path_spec("a", size_bytes=1))
    assert (await world.commit(first, 60)).file.generation == 2
    assert await world.attempt(owner, path_spec("a", size_bytes=1))


async def test_of_two_that_come_at_once_the_second_one_sees_the_first(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=100))
    spec = plain_spec(size_bytes=60)
    holds, may_end = asyncio.Event(), asyncio.Event()

    async def hold(_: Transaction, __: BlobRow) -> None:
        holds.set()
        await may_end.wait()

    request = ReserveRequest(spec=spec, kind=blob_pb2.BLOB_KIND_SINGLE)
    first = asyncio.create_task(
        world.reserving.reserve(owner, request, Session(60.0, partial=False, insert=hold))
    )
    await asyncio.wait_for(holds.wait(), 60)
    second = asyncio.create_task(world.reserve(owner, spec))
    with psycopg.connect(world.logins.superuser, autocommit=True) as beside:
        await waited(second, lambda: beside.execute(WAITING).fetchone() is not None)
    may_end.set()
    await first
    with pytest.raises(QuotaExceeded):
        await second
    assert (await world.usage.usage(owner)).reserved_bytes == 60


@pytest.mark.parametrize("size", [60, 61])
async def test_a_size_that_is_known_late(world: World, owner: str, size: int) -> None:
    """Multipart: at T3; small: at T4."""
    world = await full(world, owner)
    large = await world.attempt(owner, path_spec("a"), kind=blob_pb2.BLOB_KIND_MULTIPART)
    small = await world.attempt(owner, path_spec("a"))
    if size > 60:
        with pytest.raises(QuotaExceeded):
            await world.begin_completion(large, size)
        with pytest.raises(QuotaExceeded):
            await world.commit(small, size)
    else:
        await world.begin_completion(large, size)
        assert (await world.commit(small, size)).file.generation == 2
        assert (await world.commit(large, size)).file.generation == 3


async def test_an_owner_beyond_the_limit_may_replace_by_as_much(world: World, owner: str) -> None:
    """An admin has lowered it."""
    await full(world, owner)
    world = world.but(limits=Limits(bytes=10, files=1))
    assert (await world.upload(owner, path_spec("a", size_bytes=50), size=50)).generation == 2
    with pytest.raises(QuotaExceeded):
        await world.reserve(owner, path_spec("a", size_bytes=51))
    with pytest.raises(QuotaExceeded):
        await world.reserve(owner, path_spec("b", size_bytes=0))


async def test_a_file_that_goes_while_it_is_replaced_leaves_its_room_to_the_replacement(
    world: World, owner: str
) -> None:
    world = await full(world, owner)
    replacement = await world.attempt(owner, path_spec("a", size_bytes=60))
    gone = await world.deleting.delete(Deletion(owner, key=f"paths/{owner}/a", soft=True))
    with pytest.raises(QuotaExceeded):
        await world.reserve(owner, plain_spec(size_bytes=1))
    assert (await world.commit(replacement, 60)).file.generation == 1
    with pytest.raises(AlreadyExists):
        await world.deleting.undelete(owner, UUID(gone.id))


async def move(world: World, owner: str, source: str, target: str) -> None:
    file = await world.queries.by_key(owner, f"paths/{owner}/{source}")
    spec = path_spec(target, size_bytes=file.size_bytes)
    moves = MovedFile(file_id=file.id, generation=file.generation)
    blob = await world.attempt(owner, spec, kind=blob_pb2.BLOB_KIND_COPY, moves=moves)
    await world.commit(blob, file.size_bytes)


@pytest.mark.parametrize("begun_first", [False, True])
async def test_a_file_that_is_moved_away_makes_no_room(world: World, owner: str, begun_first: bool) -> None:
    """Its place was to be taken: by the same bytes again, after a small one has been put there."""
    world = world.but(limits=Limits(bytes=200))
    spec = path_spec("a", size_bytes=100)
    begun = await world.attempt(owner, spec) if begun_first else None
    await world.upload(owner, spec, size=100)
    late = begun or await world.attempt(owner, spec)
    await world.upload(owner, path_spec("b", size_bytes=5), size=5)
    other = await world.attempt(owner, plain_spec(size_bytes=95))
    await move(world, owner, "a", "c")
    await move(world, owner, "b", "a")
    with pytest.raises(QuotaExceeded):
        await world.commit(late, 100)
    await world.commit(other, 95)
    assert (await world.usage.usage(owner)).used_bytes == 200


async def test_a_file_that_came_after_the_look_is_no_room_for_another(world: World, owner: str) -> None:
    """The attempt has reserved a file, and another upload to its path was quicker: it may move away again."""
    late = await world.attempt(owner, path_spec("a", size_bytes=1))
    await world.upload(owner, path_spec("a", size_bytes=1), size=1)
    with pytest.raises(FileCountExceeded):
        await world.database.transact(
            user(owner), lambda tx: quota.ensure_room(tx, owner, Limits(files=1), UUID(late.id))
        )


@pytest.mark.parametrize("seed", range(12))
async def test_no_order_of_anything_comes_beyond_the_limit(world: World, owner: str, seed: int) -> None:
    """Replacements, deletions, moves, uploads elsewhere, abandoned and finished in a random order."""
    chance, world = random.Random(seed), world.but(limits=Limits(bytes=100, files=3))
    attempts: list[tuple[blob_pb2.Blob, int]] = []
    refused = 0
    for _ in range(40):
        act = chance.choice(["begin", "begin", "end", "end", "move", "delete"])
        try:
            if act == "begin":
                size = chance.choice([10, 30, 60, 90])
                spec = chance.choice([path_spec("a"), path_spec("a"), path_spec("b"), plain_spec()])
                spec.size_bytes = size
                attempts.append((await world.attempt(owner, spec), size))
            elif act == "end" and attempts:
                blob, size = attempts.pop(chance.randrange(len(attempts)))
                await world.commit(blob, size)
            elif act == "move":
                await move(world, owner, *chance.sample("abc", 2))
            elif act == "delete":
                key = f"paths/{owner}/{chance.choice('ab')}"
                await world.deleting.delete(Deletion(owner, key=key, soft=chance.random() < 0.5))
        except (QuotaExceeded, FileCountExceeded, FileNotFound):
            refused += 1
        usage = await world.usage.usage(owner)
        assert usage.used_bytes <= 100
        assert usage.file_count <= 3
    assert refused
