"""D1, and soft deletion with its restore."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from metadata_service.config import Limits
from metadata_service.files.deletion import Deletion
from strongroom.errors import AlreadyExists, FileNotFound, PreconditionFailed, QuotaExceeded
from strongroom.metadata.v1 import blob_pb2, file_pb2
from tests.integration.metadata_service.world import World, path_spec, plain_spec


async def test_a_deletion_is_final_at_once(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    file = (await world.commit(blob)).file
    assert await world.delete(owner, file) == file
    assert world.state(blob) == blob_pb2.BLOB_STATE_DELETING
    with pytest.raises(FileNotFound):
        await world.delete(owner, file)
    with pytest.raises(FileNotFound):
        await world.queries.by_key(owner, file.key)
    usage = await world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (0, 0)


async def test_by_key_and_by_family(world: World, owner: str) -> None:
    file = await world.upload(owner)
    with pytest.raises(FileNotFound):
        await world.deleting.delete(Deletion(owner, key=file.key, family=file_pb2.FILE_FAMILY_TEMP))
    found = await world.deleting.delete(Deletion(owner, key=file.key, family=file_pb2.FILE_FAMILY_FILE))
    assert found == file


async def test_somebody_elses_file_is_not_there(world: World, owner: str) -> None:
    file = await world.upload(owner)
    for wanted in (
        Deletion(f"{owner}-2", file_id=uuid.UUID(file.id)),
        Deletion(f"{owner}-2", key=file.key),
    ):
        with pytest.raises(FileNotFound):
            await world.deleting.delete(wanted)
    assert await world.queries.by_key(owner, file.key) == file


async def test_a_generation_can_be_demanded(world: World, owner: str) -> None:
    file = await world.upload(owner)
    with pytest.raises(PreconditionFailed):
        await world.delete(owner, file, if_generation_match=2)
    assert await world.delete(owner, file, if_generation_match=1) == file


async def test_of_eight_deletions_at_once_one_finds_the_file(world: World, owner: str) -> None:
    file = await world.upload(owner)
    answers = await asyncio.gather(*(world.delete(owner, file) for _ in range(8)), return_exceptions=True)
    assert [type(answer) for answer in answers].count(FileNotFound) == 7
    assert (await world.usage.usage(owner)).file_count == 0


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("content_type", ["text/plain", "text/html; charset=utf-8"])
async def test_a_folder_is_told_of_as_its_files_are(
    world: World, owner: str, soft: bool, content_type: str
) -> None:
    told, folder = [], ""
    for alone in (True, False):
        file = await world.upload(owner, path_spec("a/ä.txt", content_type=content_type))
        if alone:
            await world.delete(owner, file, soft=soft)
        else:
            folder = file.key.rpartition("/")[0]
            assert (await world.folders.delete(owner, folder, soft=soft)).files == 1
        told.append(
            world.logins.rows(
                "SELECT type, payload FROM events WHERE subject_id = %s ORDER BY id DESC LIMIT 1", file.id
            )
        )
    assert told[0] == told[1]
    assert told[0][0][1]["content_type"] == content_type.partition(";")[0]
    with pytest.raises(FileNotFound, match="no such folder"):
        await world.folders.delete(owner, folder, soft=soft)


async def test_a_soft_deleted_file_can_be_brought_back(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    file = (await world.commit(blob)).file
    gone = await world.delete(owner, file, soft=True)
    assert gone.purge_time.seconds - gone.delete_time.seconds == world.timing.soft_delete
    assert world.state(blob) == blob_pb2.BLOB_STATE_COMMITTED
    file_id = uuid.UUID(file.id)
    with pytest.raises(FileNotFound):
        await world.queries.by_id(owner, file_id)
    with pytest.raises(FileNotFound):
        await world.delete(owner, file, soft=True)
    assert await world.queries.by_id(owner, file_id, show_deleted=True) == gone
    assert (await world.usage.usage(owner)).file_count == 0
    assert await world.deleting.undelete(owner, file_id) == file
    assert await world.queries.by_id(owner, file_id) == file
    assert (await world.usage.usage(owner)).used_bytes == file.size_bytes
    with pytest.raises(FileNotFound):
        await world.deleting.undelete(owner, file_id)


async def test_after_the_purge_time_it_is_too_late(world: World, owner: str) -> None:
    file = await world.upload(owner)
    await world.but(soft_delete=0.0).delete(owner, file, soft=True)
    with pytest.raises(FileNotFound):
        await world.deleting.undelete(owner, uuid.UUID(file.id))
    with pytest.raises(FileNotFound):
        await world.queries.by_id(owner, uuid.UUID(file.id), show_deleted=True)


async def test_a_place_that_is_taken_by_now(world: World, owner: str) -> None:
    old = await world.upload(owner, path_spec())
    await world.delete(owner, old, soft=True)
    new = await world.upload(owner, path_spec())
    assert new.id != old.id
    with pytest.raises(AlreadyExists):
        await world.deleting.undelete(owner, uuid.UUID(old.id))
    assert await world.queries.by_key(owner, old.key, show_deleted=True) == new
    await world.delete(owner, new)
    assert (await world.queries.by_key(owner, old.key, show_deleted=True)).id == old.id


async def test_coming_back_needs_room(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=15))
    old = await world.upload(owner, plain_spec(size_bytes=10))
    await world.delete(owner, old, soft=True)
    await world.upload(owner, plain_spec(size_bytes=10))
    with pytest.raises(QuotaExceeded):
        await world.deleting.undelete(owner, uuid.UUID(old.id))


async def test_what_comes_back_to_a_place_is_newer_than_what_was_there(world: World, owner: str) -> None:
    """Readers that ask by date must not be told that nothing has changed."""
    old = await world.upload(owner, path_spec())
    await world.delete(owner, old, soft=True)
    between = await world.upload(owner, path_spec())
    await world.delete(owner, between)
    back = await world.deleting.undelete(owner, uuid.UUID(old.id))
    assert back.update_time.ToDatetime() > between.update_time.ToDatetime()
    assert (back.create_time, back.generation, back.etag) == (old.create_time, old.generation, old.etag)
    assert await world.queries.by_key(owner, old.key) == back
