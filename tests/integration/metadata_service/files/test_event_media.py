"""Event media: filters, totals, edits."""

from __future__ import annotations

import asyncio
import random
import uuid

import pytest

from metadata_service.db.paging import PageTokens
from metadata_service.files.edits import Edit, Editor
from metadata_service.files.event_media import DetailEdit, EventMedia, MediaEdit, MediaFilter
from metadata_service.files.filters import Folding
from metadata_service.files.newest_first import NewestFirst, PageRequest
from strongroom.errors import FileNotFound, InvalidField, InvalidPageToken, PreconditionFailed
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.waiting import held, waited
from tests.integration.metadata_service.world import World

TYPES = ("image/png", "image/jpeg", "video/mp4", "application/pdf", "image/x_y")
TAGS = ("a", "b", "it's", "%", "ä")


def media(world: World) -> EventMedia:
    """The use case."""
    return EventMedia(
        world.database, NewestFirst(world.database, PageTokens(b"s" * 32), Folding(world.database))
    )


def spec(event: uuid.UUID, kind: str = "image/png", tags: tuple[str, ...] = (), **texts: str) -> UploadSpec:
    """The spec of a medium of ``event``."""
    made = UploadSpec(filename="a", content_type=kind)
    made.target.event_media.event_id = str(event)
    made.target.event_media.tags.extend(tags)
    made.target.event_media.title = texts.get("title", "")
    made.target.event_media.description = texts.get("description", "")
    return made


async def _ids(world: World, wanted: MediaFilter, size: int = 7) -> list[str]:
    """The ids on all pages; the total is the same on each page."""
    found, token, totals = [], "", set()
    while True:
        files, total, token = await media(world).page(wanted, PageRequest(size, token))
        found += [file.id for file in files]
        totals.add(total)
        if not token:
            assert totals == {len(found)}
            return found


def _matches(file: File, wanted: MediaFilter) -> bool:
    kind = wanted.content_type.lower()
    right_type = (
        kind in ("", "*/*", file.content_type)
        or (kind.endswith("/*") and file.content_type.startswith(kind[:-1]))
    )  # fmt: skip
    return right_type and (not wanted.tag or wanted.tag in file.event_media_details.tags)


async def test_every_filter_finds_what_looking_finds(world: World, owner: str) -> None:
    chance, event, other = random.Random(3), uuid.uuid4(), uuid.uuid4()
    files = []
    for _ in range(60):
        tags = tuple(chance.sample(TAGS, chance.randrange(4)))
        files.append(await world.upload(owner, spec(event, chance.choice(TYPES), tags)))
        if chance.random() < 0.1:
            await world.upload(owner, spec(other, "image/png", TAGS))
            await world.upload(f"{owner}-2", spec(event, "image/png", TAGS))
    for file in chance.sample(files, 15):
        await world.delete(owner, file, soft=chance.random() < 0.5)
        files.remove(file)
    files.reverse()
    for kind in ("", "*/*", "image/*", "IMAGE/*", "video/*", "image/x_y", "image/x%", "image", "%/*", *TYPES):
        for tag in ("", *TAGS, "A", "nothing"):
            wanted = MediaFilter(owner, event, kind, tag)
            assert await _ids(world, wanted) == [file.id for file in files if _matches(file, wanted)], wanted


async def test_skipping_rows_and_tokens_of_other_queries(world: World, owner: str) -> None:
    event = uuid.uuid4()
    files = [await world.upload(owner, spec(event)) for _ in range(4)]
    wanted = MediaFilter(owner, event)
    page, total, token = await media(world).page(wanted, PageRequest(2, skip=1))
    assert ([file.id for file in page], total) == ([files[2].id, files[1].id], 4)
    rest, _, _ = await media(world).page(wanted, PageRequest(2, token))
    assert [file.id for file in rest] == [files[0].id]
    for other in (MediaFilter(owner, uuid.uuid4()), MediaFilter(owner, event, "image/png")):
        with pytest.raises(InvalidPageToken):
            await media(world).page(other, PageRequest(2, token))


async def test_edits_change_what_they_name(world: World, owner: str) -> None:
    event = uuid.uuid4()
    made = await world.upload(owner, spec(event, tags=("a",), title="T", description="D"))
    edit = MediaEdit(owner, event, uuid.UUID(made.id), DetailEdit(title="New"))
    changed = await media(world).update(edit)
    details = changed.event_media_details
    assert (details.title, details.description, list(details.tags)) == ("New", "D", ["a"])
    assert changed.generation == made.generation + 1
    assert changed.update_time.ToNanoseconds() > made.update_time.ToNanoseconds()
    assert (changed.etag, changed.key, changed.create_time) == (made.etag, made.key, made.create_time)
    emptied = await media(world).update(
        MediaEdit(owner, event, uuid.UUID(made.id), DetailEdit(title="", tags=[]))
    )
    assert (emptied.event_media_details.title, list(emptied.event_media_details.tags)) == ("", [])
    assert await media(world).by_id(owner, event, uuid.UUID(made.id)) == emptied
    with pytest.raises(InvalidField):
        await media(world).update(MediaEdit(owner, event, uuid.UUID(made.id), DetailEdit(tags=["a", "a"])))


async def test_of_edits_at_once_one_wins(world: World, owner: str) -> None:
    event = uuid.uuid4()
    made = await world.upload(owner, spec(event))
    edits = [
        MediaEdit(owner, event, uuid.UUID(made.id), DetailEdit(title=str(n)), made.generation)
        for n in range(8)
    ]
    results = await asyncio.gather(*map(media(world).update, edits), return_exceptions=True)
    won = [result for result in results if isinstance(result, File)]
    assert len(won) == 1
    assert all(isinstance(result, File | PreconditionFailed) for result in results)
    assert await media(world).by_id(owner, event, uuid.UUID(made.id)) == won[0]


@pytest.mark.parametrize("door", ["event media", "files"])
async def test_an_edit_that_waited_for_another_keeps_what_that_has_changed(
    world: World, owner: str, door: str
) -> None:
    event = uuid.uuid4()
    made = await world.upload(owner, spec(event, tags=("a",), title="T", description="D"))
    file_id, edit = uuid.UUID(made.id), DetailEdit(tags=["b"])
    with held(world, "SELECT FROM files WHERE owner_id = %s FOR UPDATE", owner) as (holder, waits):
        holder.execute("UPDATE event_media SET title = 'New' WHERE owner_id = %s", (owner,))
        if door == "files":
            editing = asyncio.create_task(Editor(world.database).update(Edit(owner, file_id, details=edit)))
        else:
            editing = asyncio.create_task(media(world).update(MediaEdit(owner, event, file_id, edit)))
        await waited(editing, waits)
    details = (await editing).event_media_details
    assert (details.title, details.description, list(details.tags)) == ("New", "D", ["b"])


async def test_media_of_others_and_of_other_events(world: World, owner: str) -> None:
    event = uuid.uuid4()
    made = uuid.UUID((await world.upload(owner, spec(event))).id)
    for who, where in ((f"{owner}-2", event), (owner, uuid.uuid4())):
        with pytest.raises(FileNotFound):
            await media(world).by_id(who, where, made)
        with pytest.raises(FileNotFound):
            await media(world).update(MediaEdit(who, where, made, DetailEdit(title="x")))


async def test_the_profile_picture(world: World, owner: str) -> None:
    with pytest.raises(FileNotFound):
        await media(world).profile_picture(owner)
    made = File()
    for _ in range(2):
        picture = UploadSpec(filename="me.png", content_type="image/png")
        picture.target.profile_picture.SetInParent()
        made = await world.upload(owner, picture)
        assert await media(world).profile_picture(owner) == made
    await world.delete(owner, made)
    with pytest.raises(FileNotFound):
        await media(world).profile_picture(owner)
