"""T4 of a move makes the copy visible and deletes the source, or does neither."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from metadata_service.config import Limits
from metadata_service.files.deletion import Deletion
from metadata_service.files.edits import Edit
from strongroom.errors import FileNotFound, PreconditionFailed, RetentionHeld
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import MovedFile, UploadSpec
from tests.integration.metadata_service.world import World, path_spec, plain_spec

COPY = blob_pb2.BLOB_KIND_COPY


async def begun(world: World, owner: str, source: File, spec: UploadSpec | None = None) -> blob_pb2.Blob:
    """T1 of a move to the path `b`."""
    moves = MovedFile(file_id=source.id, generation=source.generation)
    return await world.attempt(owner, spec or path_spec("b", size_bytes=10), kind=COPY, moves=moves)


def told(world: World, owner: str) -> list[Any]:
    rows = world.logins.rows(
        "SELECT type, subject_id FROM events WHERE owner_id = %s ORDER BY xid, id", owner
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("spec", [plain_spec(size_bytes=10), path_spec("a", size_bytes=10)])
async def test_a_move_adds_nothing(world: World, owner: str, spec: UploadSpec) -> None:
    """Both limits are reached, and lowered since."""
    source = await world.upload(owner, spec)
    world = world.but(limits=Limits(bytes=9, files=1))
    blob = await begun(world, owner, source)
    assert (await world.usage.usage(owner)).reserved_bytes == 0
    moved = (await world.commit(blob)).file
    assert moved.id != source.id
    with pytest.raises(FileNotFound):
        await world.queries.by_id(owner, UUID(source.id))
    usage = await world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (10, 1)
    states = world.logins.rows("SELECT state FROM blobs WHERE owner_id = %s ORDER BY created_at", owner)
    assert [row[0] for row in states] == [blob_pb2.BLOB_STATE_DELETING, blob_pb2.BLOB_STATE_COMMITTED]
    assert [subject for _, subject in told(world, owner)] == [source.id, moved.id, source.id]
    assert (await world.commit(blob)).file == moved, "asked again, because the answer was lost"


async def test_onto_another_file(world: World, owner: str) -> None:
    source = await world.upload(owner, plain_spec())
    there = await world.upload(owner, path_spec("b"), size=70)
    moved = (await world.commit(await begun(world, owner, source))).file
    assert (moved.id, moved.generation) == (there.id, 2)
    usage = await world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (10, 1)


async def test_onto_itself(world: World, owner: str) -> None:
    source = await world.upload(owner, path_spec("b"))
    moved = (await world.commit(await begun(world, owner, source))).file
    assert (moved.id, moved.generation) == (source.id, 2)
    assert (await world.usage.usage(owner)).used_bytes == 10


@pytest.mark.parametrize("change", ["tags", "bytes", "gone", "held"])
async def test_a_source_that_is_no_longer_what_was_copied(world: World, owner: str, change: str) -> None:
    source = await world.upload(owner, path_spec("a"))
    blob = await begun(world, owner, source)
    expected: type[Exception] = PreconditionFailed
    if change == "tags":
        await world.editing.update(Edit(owner, UUID(source.id), filename="other"))
    elif change == "bytes":
        await world.upload(owner, path_spec("a"), size=3)
    elif change == "gone":
        expected = FileNotFound
        await world.deleting.delete(Deletion(owner, file_id=UUID(source.id)))
    else:
        expected = RetentionHeld
        world.logins.change("UPDATE files SET held_at = now(), hold_reason = 'x' WHERE id = %s", source.id)
    before = told(world, owner)
    with pytest.raises(expected) as caught:
        await world.commit(blob)
    if expected is PreconditionFailed:
        assert caught.value.metadata == {"actual": "2", "of": "source"}  # type: ignore[attr-defined]
    assert world.state(blob) == blob_pb2.BLOB_STATE_ABORTING
    assert told(world, owner) == before
    with pytest.raises(FileNotFound):
        await world.queries.by_key(owner, f"paths/{owner}/b")


async def test_one_request_sent_twice_moves_once(world: World, owner: str) -> None:
    """The first attempt's lease ran out before its last step: both commit, and hear of the same file."""
    source = await world.upload(owner, plain_spec())
    spec = path_spec("b", size_bytes=10, request_id="move-1")
    first = await begun(world, owner, source, spec)
    await world.begin_completion(first)
    world.run_out(first)
    moved = (await world.commit(await begun(world, owner, source, spec))).file
    late = await world.commit(first)
    assert (late.file, late.lost_to_other_attempt) == (moved, True)
    assert world.state(first) == blob_pb2.BLOB_STATE_ABORTING


async def test_two_moves_of_one_file_at_once(world: World, owner: str) -> None:
    source = await world.upload(owner, plain_spec())
    blobs = [await begun(world, owner, source, path_spec(name, size_bytes=10)) for name in "bcde"]
    answers = await asyncio.gather(*(world.commit(blob) for blob in blobs), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["CommitResponse"] + ["FileNotFound"] * 3
    assert (await world.usage.usage(owner)).file_count == 1


async def test_two_files_that_change_places(world: World, owner: str) -> None:
    """Each move locks the file that the other one deletes: one of them has to give way, and neither file is
    lost.
    """
    one, other = [await world.upload(owner, path_spec(name)) for name in "ab"]
    there, back = [
        await begun(world, owner, source, path_spec(name, size_bytes=10))
        for source, name in ((one, "b"), (other, "a"))
    ]
    answers = await asyncio.gather(world.commit(there), world.commit(back), return_exceptions=True)
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert (await world.usage.usage(owner)).file_count == 1


async def test_no_upload_names_a_file_to_delete(world: World, owner: str) -> None:
    victim = await world.upload(owner, plain_spec())
    spec = plain_spec(moves=MovedFile(file_id=victim.id, generation=1))
    await world.upload(owner, spec)
    assert (await world.queries.by_id(owner, UUID(victim.id))) == victim
