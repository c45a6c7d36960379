"""Totals of projects that differ from the sums over their files, and rows without their partner."""

from __future__ import annotations

import uuid
from typing import Final, TypeAlias

import psycopg

from metadata_service.verifying.partners import Partners
from metadata_service.verifying.repairs import RowRepairs
from metadata_service.verifying.sums import Sums
from strongroom.metadata.v1 import verification_service_pb2 as service
from strongroom.metadata.v1.verification_pb2 import FindingKind
from tests.integration.metadata_service.admin.erasing import generation, medium
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World

Told: TypeAlias = tuple[str, str, str]

DRIFTS: Final = (
    "UPDATE projects SET size_bytes = size_bytes + 7 WHERE owner_id = %s",
    "UPDATE projects SET file_count = 0 WHERE owner_id = %s",
    "UPDATE project_versions SET size_bytes = size_bytes - 1 WHERE owner_id = %s AND version = 1",
    "UPDATE project_versions SET file_count = file_count + 1 WHERE owner_id = %s AND version = 2",
    "INSERT INTO generation_tallies VALUES (%s, 1, current_date, 0, 3, 3)",
)
LOST: Final = (
    ("DELETE FROM project_versions WHERE owner_id = %s AND version = 2", "its newest version"),
    ("DELETE FROM projects WHERE owner_id = %s", "the project"),
    ("DELETE FROM files WHERE owner_id = %s AND id IN (SELECT file_id FROM generations)", "the file"),
    ("DELETE FROM files WHERE owner_id = %s AND id IN (SELECT file_id FROM event_media)", "the file"),
)


def change(world: World, statement: str, owner: str) -> None:
    """Run a statement that ignores foreign keys."""
    with psycopg.connect(world.logins.superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode(), (owner,)).rowcount, statement


async def found(world: World, owner: str) -> set[Told]:
    step = await Sums(world.database).check(owner[:-1])
    return {
        (FindingKind.Name(one.kind), one.row, one.expected) for one in step.findings if one.owner_id == owner
    }


async def saved(world: World) -> str:
    owner = f"user-{uuid.uuid4()}"
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a", "b.txt": b"bb", "c.txt": b"ccc"})
    await projects.save({"a.txt": b"aaaa", "b.txt": b"bb"})
    assert await found(world, owner) == set()
    return owner


async def test_totals_are_the_sums_over_the_files_again(own_world: World) -> None:
    repairs = RowRepairs(own_world.database, 1.0)
    for statement in DRIFTS:
        owner = await saved(own_world)
        change(own_world, statement, owner)
        ((kind, row, _),) = await found(own_world, owner)
        assert kind == "FINDING_KIND_TALLY_DRIFT"
        assert row.startswith("project/") == ("project" in statement)
        request = service.RepairRowRequest(owner_id=owner, recount=service.Recount())
        assert await repairs.repair(request)
        assert await found(own_world, owner) == set()
        assert not await repairs.repair(request)


async def test_rows_that_have_lost_their_partner_are_found(own_world: World) -> None:
    for statement, expected in LOST:
        owner = await saved(own_world)
        for spec in (generation(), medium()):
            await own_world.upload(owner, spec)
        assert await found(own_world, owner) == set()
        change(own_world, statement, owner)
        told = {(kind, text) for kind, _, text in await found(own_world, owner)}
        assert ("FINDING_KIND_DETAIL_MISSING", expected) in told


async def test_tallies_of_somebody_who_has_nothing_else_are_seen(own_world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    change(own_world, DRIFTS[-1], owner)
    ((kind, _, expected),) = await found(own_world, owner)
    assert (kind, expected) == ("FINDING_KIND_TALLY_DRIFT", "0 bytes, 0 generations")


async def test_a_mark_that_only_the_file_has_is_found(own_world: World) -> None:
    partners, owner = Partners(own_world.database), await saved(own_world)
    await own_world.upload(owner, generation())
    for table, step in (("files", partners.files), ("project_files", partners.project_files)):
        change(own_world, f"UPDATE {table} SET damage = 1 WHERE owner_id = %s", owner)
        told = {(one.expected, one.found) for one in (await step("")).findings}
        assert told == {("damage none", "damage lost")}
        change(own_world, f"UPDATE {table} SET damage = NULL WHERE owner_id = %s", owner)
        assert (await step("")).findings == []
