"""Which files have their media info read, and what is recorded."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from uuid import UUID

from metadata_service.files.media import Media
from strongroom.metadata.v1.file_pb2 import File, MediaInfo
from strongroom.metadata.v1.media_info_service_pb2 import LocationMask, ReportMediaRequest
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_DESCRIBED
from tests.integration.metadata_service.world import World, path_spec

READ = MediaInfo(
    width=3, height=2, orientation=6, duration_millis=1, taken_at="t", thumbhash=b"\0x", has_location=True
)

#: Copies a file three hundred times.
MULTIPLY = """
INSERT INTO files SELECT (jsonb_populate_record(files,
    jsonb_build_object('id', gen_random_uuid(), 'slot', NULL))).*
FROM files CROSS JOIN generate_series(2, 300) WHERE id = %s
"""


async def picture(world: World, owner: str, path: str = "a.png", kind: str = "image/png") -> File:
    return await world.upload(owner, path_spec(path, content_type=kind, filename=path))


async def report(world: World, file: File, media: MediaInfo = READ) -> None:
    masks = [LocationMask(offset=7, length=3, filling=b" ")]
    await Media(world.database).report(
        ReportMediaRequest(
            owner_id=file.owner_id,
            file_id=file.id,
            content_id=file.link_stamp.content_id,
            media=media,
            masks=masks if media.has_location else [],
        )
    )


async def claimed(world: World, limit: int = 100) -> set[str]:
    return {file.id for file in (await Media(world.database).claim(limit)).files}


def told(world: World, owner: str) -> list[tuple[str, dict[str, Any]]]:
    """Subject and payload of the events about media info."""
    query = "SELECT subject_id, payload FROM events WHERE owner_id = %s AND type = %s ORDER BY id"
    rows = world.logins.rows(query, owner, EVENT_TYPE_FILE_DESCRIBED)
    return [(subject, payload) for subject, payload in rows]


async def row(world: World, file: File) -> File:
    return await world.queries.by_id(file.owner_id, UUID(file.id))


async def test_what_was_read_is_shown_and_not_asked_for_again(own_world: World, owner: str) -> None:
    world = own_world
    files = [await picture(world, owner, f"{n}.x", kind) for n, kind in enumerate(("image/png", "video/mp4"))]
    files.append(await picture(world, owner, "s", "audio/wav"))
    await picture(world, owner, "t", "text/plain; charset=utf-8")
    await picture(world, owner, "u", "application/pdf")
    assert await claimed(world) == {file.id for file in files}
    assert await claimed(world) == set()
    assert not (await row(world, files[0])).HasField("media")
    await report(world, files[0])
    await report(world, files[1], MediaInfo())
    assert (await row(world, files[0])).media == READ
    assert (await row(world, files[1])).HasField("media")
    world.logins.change("UPDATE files SET media_after = now() WHERE media_after IS NOT NULL")
    assert await claimed(world) == {files[2].id}


async def test_other_content_is_read_again(own_world: World, owner: str) -> None:
    world = own_world
    first = await picture(world, owner)
    await report(world, first)
    second = await picture(world, owner)
    assert second.id == first.id
    assert not (await row(world, first)).HasField("media")
    content = UUID(first.link_stamp.content_id), UUID(second.link_stamp.content_id)
    media = Media(world.database)
    assert not await media.masks(owner, UUID(first.id), content[1])
    await report(world, first)  # late: about the replaced content
    assert not (await row(world, first)).HasField("media")
    assert await claimed(world) == {first.id}
    await report(world, second)
    assert (await row(world, second)).media == READ
    assert [mask.offset for mask in await media.masks(owner, UUID(first.id), content[1])] == [7]
    assert not await media.masks(owner, UUID(first.id), content[0])
    assert not await media.masks(f"{owner}-2", UUID(first.id), content[1])


async def test_a_claim_runs_out_later_each_time(own_world: World, owner: str) -> None:
    world = own_world
    file = await picture(world, owner)
    for wait in (60, 120, 240):
        assert await claimed(world) == {file.id}
        ((seconds,),) = world.logins.rows("SELECT extract(epoch FROM media_after - now()) FROM files")
        assert wait - 20 < seconds <= wait
        world.logins.change("UPDATE files SET media_after = now()")
    world.logins.change("UPDATE files SET media_tries = 11")
    assert await claimed(world) == {file.id}
    ((seconds,),) = world.logins.rows("SELECT extract(epoch FROM media_after - now()) FROM files")
    assert seconds <= 86400


async def test_claims_are_disjoint_and_pass_over_the_trash(own_world: World, owner: str) -> None:
    world = own_world
    files = [await picture(world, owner, f"{n}.png") for n in range(6)]
    await world.delete(owner, files[0], soft=True)
    first, second = await asyncio.gather(claimed(world, 3), claimed(world, 3))
    assert first | second == {file.id for file in files[1:]}
    assert not first & second


async def test_nobody_waits_behind_an_owner_of_hundreds(own_world: World, owner: str) -> None:
    """The other owner's file is always in the first batch or the second, wherever the turn begins."""
    many = await picture(own_world, owner)
    own_world.logins.change(MULTIPLY, many.id)
    media = Media(own_world.database)
    for other in (f"{owner}-before", f"{owner}-{'z'}", "a", "~"):
        one = await picture(own_world, other)
        batches = [[file.id for file in (await media.claim(8)).files] for _ in range(2)]
        assert one.id in batches[0] + batches[1]
        assert [len(batch) for batch in batches] == [8, 8]
    everybody = {one.id for _ in range(40) for one in (await media.claim(8)).files}
    assert len(everybody) == 300 + 4 - 8 * 8


async def test_reading_is_no_edit(own_world: World, owner: str) -> None:
    file = await picture(own_world, owner)
    before = await row(own_world, file)
    await report(own_world, file)
    after = await row(own_world, file)
    after.ClearField("media")
    assert after == before


async def test_the_owner_is_told_once_for_each_content(own_world: World, owner: str) -> None:
    first = await picture(own_world, owner)
    await report(own_world, first)
    ((subject, data),) = told(own_world, owner)
    assert subject == first.id
    shown = {name: data[name] for name in ("width", "height", "orientation", "duration", "taken_at")}
    assert shown == {"width": 3, "height": 2, "orientation": 6, "duration": 0.001, "taken_at": "t"}
    assert (data["family"], data["filename"], data["generation"]) == ("path", "a.png", first.generation)
    assert base64.b64decode(data["thumbhash"]) == READ.thumbhash
    assert data["has_location"] is True
    second = await picture(own_world, owner)
    await report(own_world, first)  # about the replaced content
    assert len(told(own_world, owner)) == 1
    await report(own_world, second)
    assert [data["generation"] for _, data in told(own_world, owner)] == [1, 2]


async def test_nobody_is_told_of_what_says_nothing_is_in_the_trash_or_old(
    own_world: World, owner: str
) -> None:
    silent, discarded, old, fresh = [await picture(own_world, owner, f"{n}.png") for n in range(4)]
    await own_world.delete(owner, discarded, soft=True)
    own_world.logins.change(f"UPDATE files SET updated_at = now() - interval '2 days' WHERE id = '{old.id}'")
    await report(own_world, silent, MediaInfo())
    for file in (discarded, old, fresh):
        await report(own_world, file)
    assert [subject for subject, _ in told(own_world, owner)] == [fresh.id]
    assert (await row(own_world, old)).media == READ
