"""The trash: its content, and when it is emptied."""

from __future__ import annotations

import uuid

import pytest

from strongroom.errors import FileNotFound, InvalidPageToken
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_FILE, FILE_FAMILY_PATH, File
from tests.integration.metadata_service.world import World, path_spec, plain_spec


async def deleted(world: World, owner: str, count: int) -> list[File]:
    """Files in the trash, in the order of their deletion."""
    made = [await world.upload(owner, plain_spec()) for _ in range(count)]
    return [await world.delete(owner, file, soft=True) for file in made]


async def test_pages_are_deleted_last_first(world: World, owner: str) -> None:
    files = await deleted(world, owner, 5)
    await world.upload(owner)
    first, token = await world.trash.page(owner, 0, 2, "")
    assert first == files[:2:-1]
    await world.trash.purge(owner, uuid.UUID(first[0].id))
    await deleted(world, owner, 1)
    rest, end = await world.trash.page(owner, 0, 10, token)
    assert (rest, end) == (files[2::-1], "")
    for who, family in ((f"{owner}-2", 0), (owner, FILE_FAMILY_FILE)):
        with pytest.raises(InvalidPageToken):
            await world.trash.page(who, family, 2, token)
    assert await world.trash.page(f"{owner}-2", 0, 2, "") == ([], "")
    assert await world.trash.page(owner, FILE_FAMILY_PATH, 2, "") == ([], "")


async def test_what_is_past_its_time_is_not_there(world: World, owner: str) -> None:
    (file,) = await deleted(world, owner, 1)
    world.logins.change("UPDATE files SET purge_at = now() WHERE id = %s", file.id)
    assert await world.trash.page(owner, 0, 0, "") == ([], "")
    with pytest.raises(FileNotFound):
        await world.trash.purge(owner, uuid.UUID(file.id))
    assert (await world.trash.empty(owner, 0)).files == 0


async def test_purging_one(world: World, owner: str) -> None:
    blob = await world.attempt(owner, path_spec())
    file = (await world.commit(blob)).file
    for who in (owner, f"{owner}-2"):
        with pytest.raises(FileNotFound):  # not in the trash
            await world.trash.purge(who, uuid.UUID(file.id))
    await world.delete(owner, file, soft=True)
    assert world.state(blob) == blob_pb2.BLOB_STATE_COMMITTED
    with pytest.raises(FileNotFound):
        await world.trash.purge(f"{owner}-2", uuid.UUID(file.id))
    assert (await world.trash.purge(owner, uuid.UUID(file.id))).id == file.id
    assert world.state(blob) == blob_pb2.BLOB_STATE_DELETING
    with pytest.raises(FileNotFound):
        await world.trash.purge(owner, uuid.UUID(file.id))
    usage = await world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (0, 0)


async def test_emptying(world: World, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = await deleted(world, f"{owner}-2", 1)
    await deleted(world, owner, 5)
    kept = await world.upload(owner)
    path = await world.upload(owner, path_spec())
    await world.delete(owner, path, soft=True)
    assert (await world.trash.empty(owner, FILE_FAMILY_PATH)).files == 1
    monkeypatch.setattr("metadata_service.files.trash.LARGEST_PURGE", 3)
    gone = [await world.trash.empty(owner, 0) for _ in range(3)]
    assert [(one.files, one.size_bytes, one.more) for one in gone] == [
        (3, 30, True),
        (2, 20, False),
        (0, 0, False),
    ]
    states = world.logins.rows("SELECT DISTINCT state FROM blobs WHERE owner_id = %s", owner)
    assert {row[0] for row in states} == {blob_pb2.BLOB_STATE_COMMITTED, blob_pb2.BLOB_STATE_DELETING}
    assert [file.id for file in (await world.trash.page(f"{owner}-2", 0, 0, ""))[0]] == [other[0].id]
    assert (await world.queries.by_id(owner, uuid.UUID(kept.id))).id == kept.id
    usage = await world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (10, 1)
