"""A user with data of every kind, and an eraser that a test runs step by step."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from psycopg.types.json import Jsonb

from metadata_service.blobs.rows import Handle
from metadata_service.config import Limits
from metadata_service.db.database import SYSTEM
from metadata_service.erasing.erasures import Erasures
from metadata_service.erasing.steps import TABLES
from servicekit.background import Heartbeat
from strongroom.errors import UploadSuperseded
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.admin_service_pb2 import Erasure
from strongroom.metadata.v1.blob_pb2 import Part
from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.sessions.test_sessions import Sessions
from tests.integration.metadata_service.world import World, path_spec, plain_spec


def eraser(world: World, **more: Any) -> Erasures:
    return Erasures(world.database, world.timing, Heartbeat("erasures", 2.0), **more)


def generation() -> UploadSpec:
    spec = UploadSpec(filename="fox.png", content_type="image/png", request_id=str(uuid.uuid4()))
    spec.target.generation.type = GENERATION_TYPE_TEXT_TO_IMAGE
    spec.target.generation.prompt = "a fox"
    return spec


def medium() -> UploadSpec:
    spec = UploadSpec(filename="dance.jpg", content_type="image/jpeg")
    spec.target.event_media.event_id = str(uuid.uuid4())
    return spec


async def fill(world: World, owner: str) -> None:
    """Create rows in every table that has an owner, except erasures."""
    for spec in (plain_spec(str(uuid.uuid4())), path_spec(), generation(), medium()):
        await world.upload(owner, spec)
    await world.upload(owner, path_spec())  # its old content has to be removed
    await world.delete(owner, await world.upload(owner), soft=True)
    await world.delete(owner, await world.upload(owner))
    await world.attempt(owner)
    await world.completing(owner)
    projects, sessions = Projects(world, owner), Sessions(world, owner)
    await projects.save({"a.txt": b"a", "b.txt": b"b"})
    await projects.save({"a.txt": b"aa"})
    other = Projects(world, owner, "begun")
    begun = await other.begin()
    await other.reserve(begun.save_id, {"a.txt": b"a"})
    session = await sessions.open(20)
    part = Part(number=1, etag="e", size_bytes=8, crc32c=1)
    await sessions.record(session, 8, parts=[part])
    await sessions.open(partial=True)
    await world.usage.set_limits(owner, Limits(bytes=10_000), actor="root")
    world.logins.change("INSERT INTO link_epochs (owner_id, epoch) VALUES (%s, 1)", owner)
    world.logins.change(
        "INSERT INTO shares (owner_id, id, token_hash, scope, title)"
        " VALUES (%s, gen_random_uuid(), sha256(%s), '', 'My share')",
        owner,
        owner.encode(),
    )
    world.logins.change(
        "INSERT INTO scans (owner_id, blob_id, outcome, scanned_at)"
        " SELECT owner_id, id, 1, now() FROM blobs WHERE owner_id = %s AND state = 3 LIMIT 1",
        owner,
    )
    world.logins.change(
        "INSERT INTO archive_restores SELECT owner_id, id, now(), now() FROM blobs"
        " WHERE owner_id = %s AND state = 3 LIMIT 1",
        owner,
    )
    world.logins.change(
        "WITH told AS (INSERT INTO webhooks (owner_id, id, url, description, types, families, secrets,"
        "  cursor_xid, cursor_id, cursor_at)"
        "  VALUES (%s, gen_random_uuid(), 'https://hooks.example.com/in', '', '{}', '{}', '', '1', 0, now())"
        "  RETURNING owner_id, id)"
        " INSERT INTO webhook_deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at, type,"
        "  subject_id, payload)"
        " SELECT owner_id, id, gen_random_uuid(), owner_id, '1', 1, now(), 1, '', '{}' FROM told",
        owner,
    )


def counts(world: World, owner: str) -> dict[str, int]:
    """Rows of the owner by table."""
    query = "SELECT count(*) FROM {} WHERE owner_id = %s"
    return {table: world.logins.rows(query.format(table), owner)[0][0] for table in TABLES}


def everything(world: World, owner: str) -> dict[str, list[Any]]:
    """All rows of the owner, column by column."""
    return {
        table: sorted(
            row[0]
            for row in world.logins.rows(f"SELECT {table}::text FROM {table} WHERE owner_id = %s", owner)
        )
        for table in TABLES
    }


async def clean(world: World) -> int:
    """Run the cleaner and the settler over all owners, on an empty store. Returns how many items they
    handled.
    """
    blobs, _ = await world.cleaning.claim(500)
    for blob in blobs:
        with suppress(UploadSuperseded):  # a COMPLETING one, which is not being removed
            await world.cleaning.finish_removal(Handle(blob.owner_id, blob.id, blob.epoch), blob.state)
    projects = Projects(world, "nobody")
    keys, _ = await projects.keys.claim(500)
    await projects.keys.report(
        [
            pb.KeyReport(owner_id=key.owner_id, key=key.key, epoch=key.epoch, outcome=pb.KEY_OUTCOME_RIGHT)
            for key in keys
        ]
    )
    return len(blobs) + len(keys)


async def to_the_end(world: World, erasing: Erasures, erasure: Erasure, rounds: int = 60) -> Erasure:
    """Run eraser and cleaner in turns until the erasure ends."""
    found = erasure
    for _ in range(rounds):
        await erasing.run_once()
        await clean(world)
        found = await erasing.get(erasure.id)
        if found.HasField("end_time"):
            return found
    raise AssertionError(f"it does not end: {found.rest}")


async def plant_finding(world: World, packed: bytes, cursors: Sequence[str] = ()) -> str:
    """Create a finished verification with one finding and these cursors. Returns its id."""
    run = str(uuid.uuid4())
    change = world.logins.change
    change(
        "INSERT INTO verifications (id, state, depth, installation_id, revision, begin_position, ended_at)"
        " SELECT %s, 2, 1, id, 'x', '0/0', now() FROM installation",
        run,
    )
    change(
        "INSERT INTO verification_findings (verification_id, kind, size_bytes, finding)"
        " VALUES (%s, 1, 7, %s)",
        run,
        packed,
    )
    for number, cursor in enumerate(cursors):
        change(
            "INSERT INTO verification_shards (verification_id, number, stage, cursor, done_at)"
            " VALUES (%s, %s, 1, %s, now())",
            run,
            number,
            cursor,
        )
    return run


async def add_event(world: World, owner: str) -> None:
    """Add an event in the system's scope, as housekeeping may."""
    query = "INSERT INTO events (owner_id, type, subject_id, payload) VALUES (%s, 1, 'x', %s)"
    await world.database.transact(SYSTEM, lambda tx: tx.execute(query, (owner, Jsonb({}))))
