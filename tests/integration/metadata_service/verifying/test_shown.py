"""Objects that a file shows although its blob's row is lost: nobody may move them."""

from __future__ import annotations

import uuid

import psycopg

from metadata_service.verifying.shown import shown
from strongroom.metadata.v1.verification_pb2 import UnownedObject
from tests.integration.metadata_service.admin.erasing import generation, medium
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World, path_spec, plain_spec


def damage(world: World, statement: str, owner: str) -> None:
    """Run a statement that ignores foreign keys, as in a damaged database."""
    with psycopg.connect(world.logins.superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode(), (owner,)).rowcount


async def test_what_a_file_shows_is_told_by_key_and_version_or_by_its_attempt(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    files = [
        (await world.commit(await world.attempt(owner, spec), version_id=f"v{number}")).file
        for number, spec in enumerate((plain_spec(), path_spec(), generation(), medium()))
    ]
    await Projects(world, owner).save({"a.txt": b"a"})
    rows = world.logins.rows("SELECT id::text, key, version_id FROM blobs WHERE owner_id = %s", owner)
    assert len(rows) == len(files) + 1
    objects = [
        UnownedObject(key=key, version_id=version, owner_id=owner, attempt_id=blob)
        for blob, key, version in rows
    ]
    strange = [
        UnownedObject(key=files[0].key, version_id="v9", owner_id=owner),
        UnownedObject(key=files[0].key, version_id="v0", owner_id="somebody", attempt_id=str(uuid.uuid4())),
        UnownedObject(key="uploads/somebody/a.bin", version_id="v0", owner_id="somebody"),
        UnownedObject(key="temp/2026/01/01/1.bin", version_id="v1", owner_id=owner, attempt_id="none"),
        UnownedObject(key="temp/2026/01/01/1.bin"),
    ]
    assert await shown(world.database, objects + strange) == [], "their attempts are known"
    damage(world, "UPDATE blobs SET key = key || 'x' WHERE owner_id = %s AND version_id = 'v0'", owner)
    assert {(objects + strange)[at].version_id for at in await shown(world.database, objects + strange)} == {
        "v0"
    }
    damage(world, "DELETE FROM blobs WHERE owner_id = %s", owner)
    first = len(objects)
    assert await shown(world.database, objects + strange) == [*range(first), first + 1]
    silent = [UnownedObject(key=file.key, version_id=f"v{number}") for number, file in enumerate(files)]
    assert await shown(world.database, silent) == [0, 1, 2], "only the key of a medium names nobody"
    assert await shown(world.database, []) == []
