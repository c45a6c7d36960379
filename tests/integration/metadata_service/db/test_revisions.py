"""An owner's revision: raised by each change that lists show, without blocking other commits."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import psycopg
import pytest

from metadata_service.db.database import Part, user
from metadata_service.db.revisions import Revisions
from metadata_service.files.edits import Edit
from metadata_service.files.links import Links
from metadata_service.files.queries import Listing
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World, path_spec

REVISIONS = Revisions("")
RAISED = "SELECT stripe, revision FROM revisions WHERE owner_id = %s ORDER BY stripe"


async def revision(world: World, owner: str) -> str:
    return await world.usage.revision(owner, REVISIONS)


async def _replace(world: World, owner: str) -> None:
    await world.upload(owner, path_spec())


async def _undelete(world: World, owner: str) -> None:
    deleted = await world.delete(owner, await world.upload(owner), soft=True)
    before = await revision(world, owner)
    await world.deleting.undelete(owner, uuid.UUID(deleted.id))
    assert await revision(world, owner) != before


async def _edit(world: World, owner: str) -> None:
    file = await world.upload(owner)
    before = await revision(world, owner)
    await world.editing.update(Edit(owner, uuid.UUID(file.id), metadata={"a": "b"}))
    assert await revision(world, owner) != before


async def _revoke(world: World, owner: str) -> None:
    await Links(world.database, world.queries).revoke_all(owner)


async def _save(world: World, owner: str) -> None:
    await Projects(world, owner).save({"a.txt": b"a"})


async def _remove_project(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a"})
    before = await revision(world, owner)
    await projects.remove()
    assert await revision(world, owner) != before


CHANGES: list[Callable[[World, str], Awaitable[None]]] = [
    _replace,
    _undelete,
    _edit,
    _revoke,
    _save,
    _remove_project,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
async def test_every_change_raises_it(
    world: World, owner: str, change: Callable[[World, str], Awaitable[None]]
) -> None:
    await world.upload(owner, path_spec())
    before = await revision(world, owner)
    assert await revision(world, owner) == before
    await change(world, owner)
    assert await revision(world, owner) != before


#: Statements of background work and repairs; each changes a row.
ROWS = {
    "damage": "UPDATE files SET damage = 1 WHERE owner_id = %s",
    "media": "UPDATE files SET media = '{}', media_of = blob_id WHERE owner_id = %s",
    "a hold": "UPDATE files SET held_at = now() WHERE owner_id = %s",
    "a scan": "INSERT INTO scans (owner_id, blob_id, outcome, scanned_at)"
    " SELECT owner_id, blob_id, 3, now() FROM files WHERE owner_id = %s LIMIT 1",
    "a tally": "INSERT INTO generation_tallies VALUES (%s, 1, '2026-01-02', 0, 1, 1)",
    "a share": "INSERT INTO shares (owner_id, id, token_hash, scope, title)"
    " VALUES (%s, gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), '', '')",
    "a right of a project's file": "UPDATE project_files SET executable = true WHERE owner_id = %s",
    "damage of a project": "UPDATE project_files SET damage = 1 WHERE owner_id = %s",
    "a repaired version": "UPDATE project_files SET version_id = 'v', etag = 'e' WHERE owner_id = %s",
    "a repaired checksum": "UPDATE project_files SET crc32c = crc32c # 1 WHERE owner_id = %s",
    "a project": "UPDATE projects SET name = 'other' WHERE owner_id = %s",
    "a version": "UPDATE project_versions SET file_count = 9 WHERE owner_id = %s",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=ROWS)
async def test_so_does_what_goes_on_behind(world: World, owner: str, statement: str) -> None:
    await world.upload(owner)
    await Projects(world, owner).save({"a.txt": b"a"})
    before = await revision(world, owner)
    assert world.logins.change(statement, owner)
    assert await revision(world, owner) != before


async def test_what_lists_do_not_show_leaves_it(world: World, owner: str) -> None:
    await world.upload(owner)
    other = f"user-{uuid.uuid4()}"
    before = await revision(world, owner)
    await world.attempt(owner)
    await world.upload(other)
    assert await revision(world, owner) == before
    assert await revision(world, other) != before


#: Times at which something stops or starts being shown without a commit, far ahead of all others.
ENDS = {
    "a file": "UPDATE files SET expires_at = now() + interval '1 hour' WHERE owner_id = %s",
    "the trash": "UPDATE files SET deleted_at = now(), purge_at = now() + interval '1 hour'"
    " WHERE owner_id = %s",
    "what is kept in the trash": "UPDATE files SET deleted_at = now(), purge_at = now(),"
    " keep_until = now() + interval '1 hour' WHERE owner_id = %s",
    "a share": "INSERT INTO shares (owner_id, id, token_hash, scope, title, expires_at)"
    " SELECT %s, gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), '', '',"
    " now() + interval '1 hour'",
}


@pytest.mark.parametrize("statement", ENDS.values(), ids=ENDS)
async def test_the_clock_changes_it_when_something_ends(world: World, owner: str, statement: str) -> None:
    """The sum over the stripes stays, as if nothing was committed and only time has passed."""
    await world.upload(owner)
    world.logins.change(statement, owner)
    raised = world.logins.rows(RAISED, owner)
    before = await revision(world, owner)
    with psycopg.connect(world.logins.superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE files SET expires_at = expires_at - interval '2 hours',"
            " purge_at = purge_at - interval '2 hours', keep_until = keep_until - interval '2 hours'"
            " WHERE owner_id = %s",
            (owner,),
        )
        connection.execute(
            "UPDATE shares SET expires_at = expires_at - interval '2 hours' WHERE owner_id = %s", (owner,)
        )
    assert world.logins.rows(RAISED, owner) == raised
    assert await revision(world, owner) != before


async def test_a_list_tells_the_revision_of_before_it_was_read(world: World, owner: str) -> None:
    await world.upload(owner)
    with REVISIONS.seen() as seen:
        await world.queries.page(Listing(owner), 10, "")
        await world.upload(owner)
    assert seen.text not in ("", await revision(world, owner))
    with Revisions("other settings").seen() as other:
        await world.queries.page(Listing(owner), 10, "")
    assert other.text != await revision(world, owner)


async def test_commits_of_one_owner_do_not_wait_for_each_other(world: World, owner: str) -> None:
    """One has raised the revision without committing; others of the same owner, on other stripes,
    don't wait.
    """
    await world.upload(owner)
    await world.upload(owner)
    ids = [row[0] for row in world.logins.rows("SELECT id FROM files WHERE owner_id = %s", owner)]
    with ExitStack() as opened:
        connections = [
            opened.enter_context(psycopg.connect(world.logins.app, autocommit=False)) for _ in range(2)
        ]
        while connections[0].info.backend_pid % 16 == connections[1].info.backend_pid % 16:
            connections[1] = opened.enter_context(psycopg.connect(world.logins.app, autocommit=False))
        first, second = connections
        for connection, file_id in zip(connections, ids, strict=True):
            connection.execute("SELECT set_config('app.uid', %s, true)", (owner,))
            connection.execute("SET LOCAL lock_timeout = '5s'")
            connection.execute(
                "UPDATE files SET filename = 'x' WHERE owner_id = %s AND id = %s", (owner, file_id)
            )
        first.execute("SET CONSTRAINTS ALL IMMEDIATE")
        before = await revision(world, owner)
        second.commit()
        between = await revision(world, owner)
        first.commit()
    assert len({before, between, await revision(world, owner)}) == 3


async def test_owners_who_are_committed_together_are_raised_each(world: World) -> None:
    owners = [f"user-{number}-{uuid.uuid4()}" for number in range(3)]
    for owner in owners:
        await world.upload(owner)
    before = [await revision(world, owner) for owner in owners]
    statement = "UPDATE files SET filename = 'x' WHERE owner_id = %s"

    async def nothing() -> None:
        return None

    await world.database.together([Part(owner, [(statement, (owner,))]) for owner in owners], nothing)
    after = [await revision(world, owner) for owner in owners]
    assert all(old != new for old, new in zip(before, after, strict=True))


async def test_nobody_raises_anothers(world: World, owner: str) -> None:
    await world.upload(owner)
    other = f"user-{uuid.uuid4()}"

    async def changed() -> int:
        return await world.database.transact(
            user(other),
            lambda tx: tx.execute("UPDATE revisions SET revision = 0 WHERE owner_id = %s", (owner,)),
        )

    assert await changed() == 0
