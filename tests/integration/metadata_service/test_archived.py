"""Restores from an archive class: checked in turn, and the owner gets one event."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from metadata_service.archived import ArchiveRestores
from metadata_service.db.timestamps import to_proto
from strongroom.metadata.v1 import archive_service_pb2 as pb
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READABLE
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World

PAUSE = 60.0
UNTIL = datetime(2033, 1, 2, 3, 4, 5, tzinfo=UTC)


def back(content: pb.ArchivedContent, *, until: datetime | None = None) -> pb.ReportRestoreRequest:
    return pb.ReportRestoreRequest(
        owner_id=content.owner_id,
        blob_id=content.blob_id,
        readable=True,
        readable_until=to_proto(until) if until else None,
    )


def events(world: World, owner: str) -> list[tuple[str, dict[str, Any]]]:
    query = "SELECT subject_id, payload::text FROM events WHERE owner_id = %s AND type = %s"
    rows = world.logins.rows(query, owner, EVENT_TYPE_FILE_READABLE)
    return [(subject, json.loads(payload)) for subject, payload in rows]


async def asked_back(world: World, file: File) -> tuple[ArchiveRestores, ArchiveRestores]:
    """Two replicas; readers on both have requested the restore."""
    one, other = ArchiveRestores(world.database), ArchiveRestores(world.database)
    await asyncio.gather(*(each.note(file.key, file.version_id) for each in (one, other, one)))
    return one, other


async def test_who_owns_it_hears_of_it_once(own_world: World, owner: str) -> None:
    file = await own_world.upload(owner)
    one, other = await asked_back(own_world, file)
    (content,) = await one.claim(9, PAUSE)
    assert (content.owner_id, content.key, content.version_id) == (owner, file.key, file.version_id)
    await asyncio.gather(one.report(back(content, until=UNTIL)), other.report(back(content)))
    ((subject, told),) = events(own_world, owner)
    assert subject == file.id
    assert (told["family"], told["key"], told["filename"]) == ("file", file.key, file.filename)
    assert told["readable_until"] in {None, "2033-01-02T03:04:05Z"}
    assert own_world.logins.rows("SELECT FROM archive_restores") == []
    await one.note(file.key, file.version_id)  # the restored copy has expired, and it is requested again
    assert len(await other.claim(9, PAUSE)) == 1


async def test_replicas_share_the_looks_which_grow_seldom(own_world: World, owner: str) -> None:
    files = [await own_world.upload(owner) for _ in range(5)]
    one, other = await asked_back(own_world, files[0])
    for file in files[1:]:
        await one.note(file.key, file.version_id)
    both = await asyncio.gather(one.claim(3, PAUSE), other.claim(3, PAUSE))
    looked = [content.key for found in both for content in found]
    assert sorted(looked) == sorted(file.key for file in files)
    assert await one.claim(9, PAUSE) == []
    next_look = "extract(epoch FROM look_at - now())"
    ((least,),) = own_world.logins.rows(f"SELECT min({next_look}) FROM archive_restores")
    assert 0 < least <= PAUSE
    for waited, most in (("5 hours", 1800), ("3 days", 3600)):
        own_world.logins.change(
            f"UPDATE archive_restores SET look_at = now(), asked_at = now() - interval '{waited}'"
        )
        assert len(await one.claim(9, PAUSE)) == 5
        ((longest,),) = own_world.logins.rows(f"SELECT max({next_look}) FROM archive_restores")
        assert most - 120 < longest <= most + 1


async def test_what_is_given_up_or_deleted_nobody_hears_of(own_world: World, owner: str) -> None:
    given_up, deleted = await own_world.upload(owner), await own_world.upload(owner)
    one, _ = await asked_back(own_world, given_up)
    await one.note(deleted.key, deleted.version_id)
    await own_world.delete(owner, deleted)
    (content,) = await one.claim(9, PAUSE)
    await one.report(pb.ReportRestoreRequest(owner_id=owner, blob_id=content.blob_id))
    await one.report(back(content))  # late
    assert events(own_world, owner) == []
    await one.note("nobody's", "")
    assert await one.claim(9, PAUSE) == []


async def test_a_project_s_file(own_world: World, owner: str) -> None:
    projects = Projects(own_world, owner)
    saved = await projects.save({"a.txt": b"one", "b.txt": b"b"})
    old = (await projects.manifest())["a.txt"]
    one = ArchiveRestores(own_world.database)
    await one.note(old.key, old.version_id)
    (content,) = await one.claim(9, PAUSE)
    await one.report(back(content))
    ((subject, told),) = events(own_world, owner)
    assert subject == saved.project.id
    assert (told["family"], told["slug"], told["path"]) == ("project_file", "site", "a.txt")
    assert told["readable_until"] is None
