"""ReportDamage: the owner of a file that shows the object gets an event once an hour; nobody else does."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from strongroom.errors import InvalidField, PermissionDenied
from strongroom.metadata.v1 import reservation_service_pb2 as pb
from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE, File
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_FILE_DAMAGED,
    EVENT_TYPE_FILE_READY,
    EVENT_TYPE_PROJECT_SAVE_PROGRESS,
    EVENT_TYPE_PROJECT_SAVED,
    Event,
)
from strongroom.metadata.v1.target_pb2 import UploadTarget
from tests.databases import Logins
from tests.integration.metadata_service.events.test_reader import next_event, watching
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.serving import Server, refusal, serve
from tests.integration.metadata_service.world import World

UPLOADED = {EVENT_TYPE_FILE_READY, EVENT_TYPE_PROJECT_SAVED, EVENT_TYPE_PROJECT_SAVE_PROGRESS}


@pytest.fixture
async def server(module_database: Logins) -> AsyncIterator[Server]:
    async with serve(module_database) as running:
        yield running


def target(family: str) -> UploadTarget:
    made = UploadTarget()
    getattr(made, family).SetInParent()
    match family:
        case "generation":
            made.generation.type = GENERATION_TYPE_TEXT_TO_IMAGE
        case "event_media":
            made.event_media.event_id = str(uuid.uuid4())
        case "path":
            made.path.path = "a/b.txt"
    return made


def report(key: str, version_id: str = "", damage: pb.Damage.ValueType = pb.DAMAGE_CORRUPT) -> Any:
    return pb.ReportDamageRequest(key=key, version_id=version_id, damage=damage)


async def told(server: Server, request: pb.ReportDamageRequest) -> bool:
    response = await server.service().reservations("ReportDamage", request)
    return bool(response.told)


async def first_event(server: Server, owner: str, request: pb.ReportDamageRequest) -> Event:
    """The owner's next event after those of the upload, which may still arrive."""
    async with watching(server.user(owner)) as call:
        assert await told(server, request)
        while (event := await next_event(call)).type in UPLOADED:
            pass
        return event


@pytest.mark.parametrize("family", ["file", "generation", "event_media", "profile_picture", "temp", "path"])
async def test_the_owner_of_a_file_hears_of_it(server: Server, owner: str, family: str) -> None:
    other = server.user(f"{owner}-other")
    file: File = await server.user(owner).upload(target=target(family))
    async with watching(other) as theirs:
        event = await first_event(server, owner, report(file.key))
        strange = await other.upload()
        assert (await next_event(theirs)).subject_id == strange.id  # nothing came before it
    assert (event.type, event.subject_id) == (EVENT_TYPE_FILE_DAMAGED, file.id)
    assert json.loads(event.payload_json) == {
        "family": family,
        "key": file.key,
        "filename": "notes.txt",
        "content_type": "text/plain",
        "size_bytes": 10,
        "generation": 1,
        "damage": "corrupt",
    }


async def test_the_owner_of_a_project_hears_of_its_file(server: Server, world: World, owner: str) -> None:
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"one", "b.txt": b"b"})
    old = (await projects.manifest())["a.txt"]
    saved = await projects.save({"a.txt": b"other", "b.txt": b"b"})
    event = await first_event(server, owner, report(old.key, old.version_id, pb.DAMAGE_LOST))
    assert (event.type, event.subject_id) == (EVENT_TYPE_FILE_DAMAGED, saved.project.id)
    assert json.loads(event.payload_json) == {
        "family": "project_file",
        "key": old.key,
        "slug": "site",
        "path": "a.txt",
        "from_version": 1,
        "until_version": 2,
        "content_type": "text/plain",
        "size_bytes": 3,
        "damage": "lost",
    }
    new = (await projects.manifest())["a.txt"]
    assert await told(server, report(new.key, new.version_id))  # reported separately for each version


async def test_once_an_hour_however_many_ask(server: Server, owner: str, module_database: Logins) -> None:
    file = await server.user(owner).upload()
    answers = await asyncio.gather(*(told(server, report(file.key)) for _ in range(8)))
    assert sorted(answers) == [False] * 7 + [True]
    assert not await told(server, report(file.key, damage=pb.DAMAGE_LOST))
    module_database.change(
        "UPDATE blobs SET damage_told_at = now() - interval '61 min' WHERE key = %s", file.key
    )
    assert await told(server, report(file.key))
    ((events,),) = module_database.rows(
        "SELECT count(*) FROM events WHERE owner_id = %s AND type = %s", owner, EVENT_TYPE_FILE_DAMAGED
    )
    assert events == 2


async def test_what_nothing_shows_is_nobodys_business(server: Server, owner: str) -> None:
    caller = server.user(owner)
    deleted, kept = await caller.upload(), await caller.upload()
    await caller.reservations("DeleteFile", pb.DeleteFileRequest(file_id=deleted.id))
    soft = await caller.upload()
    await caller.reservations("DeleteFile", pb.DeleteFileRequest(file_id=soft.id, soft=True))
    unknown = [report(deleted.key), report(soft.key), report("uploads/x/y"), report(kept.key, "other")]
    assert [await told(server, one) for one in unknown] == [False] * 4
    assert await told(server, report(kept.key))


async def test_only_services_report(server: Server, owner: str) -> None:
    file = await server.user(owner).upload()
    outsider = server.user(owner, internal=False)
    refused = await refusal(outsider.reservations("ReportDamage", report(file.key)))
    assert isinstance(refused, PermissionDenied)
    for wrong in (report(""), report(file.key, damage=pb.DAMAGE_UNSPECIFIED)):
        assert isinstance(await refusal(told(server, wrong)), InvalidField)
