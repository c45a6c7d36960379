"""Slots: one live file each, replaced in one step, in any combination."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from strongroom.errors import FileNotFound, PreconditionFailed
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world, path_spec


def profile_spec() -> UploadSpec:
    spec = UploadSpec(filename="me.png", content_type="image/png")
    spec.target.profile_picture.SetInParent()
    return spec


@pytest.mark.parametrize("spec", [profile_spec(), path_spec()], ids=["profile", "path"])
async def test_a_replacement_keeps_the_id_and_raises_the_generation(
    world: World, owner: str, spec: UploadSpec
) -> None:
    old_blob = await world.attempt(owner, spec)
    old = (await world.commit(old_blob, version_id="v1")).file
    new = (await world.commit(await world.attempt(owner, spec), 25, version_id="v2")).file
    assert (new.id, new.generation, new.create_time) == (old.id, 2, old.create_time)
    assert (new.size_bytes, new.version_id) == (25, "v2")
    assert world.state(old_blob) == blob_pb2.BLOB_STATE_DELETING
    ((grace,),) = world.logins.rows(
        "SELECT extract(epoch FROM not_before - state_changed_at) FROM blobs WHERE id = %s", old_blob.id
    )
    assert float(grace) == world.timing.read_grace
    assert await world.queries.by_id(owner, uuid.UUID(old.id)) == new
    usage = await world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (25, 1)


async def test_the_early_look_is_repeated_at_the_commit(world: World, owner: str) -> None:
    await world.upload(owner, path_spec())
    first = await world.attempt(owner, path_spec(if_generation_match=1))
    second = await world.attempt(owner, path_spec(if_generation_match=1))
    assert (await world.commit(first)).file.generation == 2
    with pytest.raises(PreconditionFailed):
        await world.commit(second)


async def test_sixteen_first_uploads_of_one_path_at_once(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, max_size=16) as world:
        blobs = [await world.attempt(owner, path_spec()) for _ in range(16)]
        answers = await asyncio.gather(*(world.commit(blob) for blob in blobs))
        assert sorted(answer.file.generation for answer in answers) == list(range(1, 17))
        assert len({answer.file.id for answer in answers}) == 1
        states = sorted(world.state(blob) or 0 for blob in blobs)
        assert states == [blob_pb2.BLOB_STATE_COMMITTED] + [blob_pb2.BLOB_STATE_DELETING] * 15
        usage = await world.usage.usage(owner)
        assert (usage.used_bytes, usage.file_count) == (10, 1)


async def test_sixteen_creations_of_one_path_at_once_give_one_file(
    module_database: Logins, owner: str
) -> None:
    async with make_world(module_database, max_size=16) as world:
        blobs = [await world.attempt(owner, path_spec(if_generation_match=0)) for _ in range(16)]
        answers = await asyncio.gather(*(world.commit(blob) for blob in blobs), return_exceptions=True)
        assert [type(a) for a in answers].count(PreconditionFailed) == 15
        assert len(world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", owner)) == 1


async def test_a_deletion_and_a_replacement_come_in_one_order_or_the_other(world: World, owner: str) -> None:
    for n in range(12):
        spec = path_spec(f"f{n}")
        old = await world.upload(owner, spec)
        blob = await world.attempt(owner, spec)
        committed, deleted = await asyncio.gather(
            world.commit(blob), world.delete(owner, old), return_exceptions=True
        )
        assert not isinstance(committed, BaseException)
        assert not isinstance(deleted, BaseException)
        live = world.logins.rows(
            "SELECT id::text FROM files WHERE owner_id = %s AND slot = %s", owner, f"path:f{n}"
        )
        if committed.file.id == old.id:  # replaced, then deleted
            assert (live, deleted.generation) == ([], 2)
        else:  # deleted, then created again
            assert (live, deleted.generation, committed.file.generation) == ([(committed.file.id,)], 1, 1)
    shown = world.logins.rows(
        "SELECT count(*) FROM blobs WHERE owner_id = %s AND state = 3"
        " AND NOT EXISTS (SELECT 1 FROM files WHERE blob_id = blobs.id)",
        owner,
    )
    assert shown == [(0,)]
    usage = await world.usage.usage(owner)
    files = world.logins.rows(
        "SELECT coalesce(sum(size_bytes), 0)::bigint, count(*) FROM files WHERE owner_id = %s", owner
    )
    assert [(usage.used_bytes, usage.file_count)] == files


async def test_a_deleted_path_starts_again(world: World, owner: str) -> None:
    old = await world.upload(owner, path_spec())
    await world.delete(owner, old)
    with pytest.raises(FileNotFound):
        await world.delete(owner, old)
    new = await world.upload(owner, path_spec(if_generation_match=0))
    assert new.id != old.id
    assert new.generation == 1
