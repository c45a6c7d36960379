"""Erasing a user: every row of the owner is removed, objects by the cleaner, and no other owner's row."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from metadata_service.audit import Acts
from metadata_service.config import Limits
from metadata_service.db.database import Transaction, user
from metadata_service.erasing.erasures import Erasures
from metadata_service.erasing.steps import BY_STEPS, ITSELF, PLAIN, STEPS, WITH_OTHERS, Owner, Step
from strongroom.errors import InvalidField, NotFound, UploadSuperseded, UserBeingErased
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub
from strongroom.metadata.v1.verification_pb2 import FINDING_KIND_OBJECT_MISSING, Finding
from tests.databases import Logins
from tests.integration.metadata_service.admin.erasing import (
    clean,
    counts,
    eraser,
    everything,
    fill,
    plant_finding,
    to_the_end,
)
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.serving import refusal, serve
from tests.integration.metadata_service.sessions.test_sessions import Sessions
from tests.integration.metadata_service.world import World, path_spec

GRACES = {
    "lease": 3600.0,  # otherwise a late cleaner would end other tests' attempts
    "read_grace": 3600.0,
    "restore_window": 7 * 86400.0,
    "tombstone_grace": 0.0,
    "retry": 0.0,
}


@pytest.fixture
def world(own_world: World) -> World:
    """A database of the test's own, with graces that do not apply to erased owners."""
    return own_world.but(**GRACES)


def test_every_table_that_has_an_owner_is_erased(module_database: Logins) -> None:
    """A new table must be listed in `PLAIN` (or another list), and its migration must create the policy."""
    rows = module_database.rows(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'owner_id'"
    )
    found = {row[0] for row in rows}
    assert found == {*PLAIN, *WITH_OTHERS, *BY_STEPS, ITSELF}
    refusing = module_database.rows(
        "SELECT tablename, permissive, cmd FROM pg_policies WHERE policyname = 'not_erased'"
    )
    assert {row[0] for row in refusing} == found - {ITSELF, "admin_act_owners"}
    assert {row[1:] for row in refusing} == {("RESTRICTIVE", "INSERT")}


async def test_everything_goes_and_a_neighbour_keeps_everything(world: World) -> None:
    await fill(world, "ada")
    await fill(world, "adam")
    assert all(counts(world, "ada").values())
    before = everything(world, "adam")
    del before["project_keys"]  # the settler changes it, which works for all owners
    erasing = eraser(world, backups=30 * 86400.0)
    erasure, begun = await erasing.begin("ada", "root", "request-1")
    assert begun
    assert erasure.rest.objects > 0
    await erasing.run_once()
    left = {table for table, count in counts(world, "ada").items() if count}
    assert left == {"blobs", "scans", "archive_restores", "project_keys"}, "these are the cleaner's"
    ended = await to_the_end(world, erasing, erasure)
    assert not any(counts(world, "ada").values())
    assert everything(world, "adam") | before == everything(world, "adam")
    erased = ended.counts
    assert (erased.files, erased.projects, erased.project_versions) == (5, 1, 2)
    assert erased.upload_sessions == 2
    assert erased.attempts >= 5
    assert erased.object_bytes > 0
    assert erased.events > 0
    assert erased.answers > 0
    assert ended.backups_hold_until.seconds - ended.end_time.seconds == 30 * 86400
    assert ended.begin_position
    assert ended.end_position


async def test_rows_that_have_lost_what_they_belong_to_go_too_and_nothing_names_the_owner(
    world: World,
) -> None:
    """Parents are deleted past the foreign keys, as in a damaged database. The catalogue tells which tables
    to search.
    """
    owner = f"user-{uuid.uuid4()}"
    await fill(world, owner)
    with psycopg.connect(world.logins.superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in ("projects", "files", "project_saves"):
            assert connection.execute(f"DELETE FROM {table} WHERE owner_id = %s".encode(), (owner,)).rowcount
    lost = {table for table, count in counts(world, owner).items() if count}
    assert {"generations", "event_media", "project_versions", "project_files"} <= lost
    erasing = eraser(world)
    erasure, _ = await erasing.begin(owner, "root")
    await to_the_end(world, erasing, erasure)
    assert not any(counts(world, owner).values())
    tables = world.logins.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 30
    named = (f"%{owner}%", f"%{owner.encode().hex()}%")
    for (table,) in tables:
        query = f"SELECT row::text FROM {table} AS row WHERE row::text LIKE %s OR row::text LIKE %s"
        assert world.logins.rows(query, *named) == [], table


async def test_acts_stay_and_name_nobody(world: World) -> None:
    await world.upload("grace")
    await world.usage.set_limits("grace", Limits(files=9), actor="root")
    erasing = eraser(world)
    erasure, _ = await erasing.begin("grace", "root", "request-1")
    await to_the_end(world, erasing, erasure)
    with pytest.raises(InvalidField, match=r"no act of this name; the acts are .*drain_replica, .*set_quota"):
        await Acts(world.database).page("", "nope", 0, 0)
    assert await Acts(world.database).page("", "reindex", 0, 0) == []
    finished, begun, quota = await Acts(world.database).page("grace", "", 0, 0)
    assert [act.act for act in (finished, begun, quota)] == ["erase_user", "erase_user", "set_quota"]
    assert (begun.outcome, begun.actor, begun.request_id) == ("begun", "root", "request-1")
    assert (finished.outcome, finished.actor) == ("finished", "")
    assert {act.owner_id for act in (finished, begun, quota)} == {""}
    assert (
        b"grace"
        not in world.logins.rows("SELECT string_agg(erasures::text, '') FROM erasures")[0][0].encode()
    )


async def test_it_may_be_repeated(world: World) -> None:
    await world.upload("ada")
    erasing = eraser(world)
    first, _ = await erasing.begin("ada", "root")
    same, begun = await erasing.begin("ada", "another")
    assert (same.id, begun) == (first.id, False)
    await to_the_end(world, erasing, first)
    second, begun = await erasing.begin("ada", "root")
    assert begun
    ended = await to_the_end(world, erasing, second)
    assert (ended.counts.files, ended.counts.objects) == (0, 0)
    assert (await erasing.get(owner_id="ada")).id == second.id
    assert (await world.upload("ada")).owner_id == "ada", "somebody of that name may begin anew"


async def test_of_somebody_unknown_there_is_nothing(world: World) -> None:
    erasing = eraser(world)
    with pytest.raises(NotFound):
        await erasing.get(owner_id="nobody")
    erasure, _ = await erasing.begin("nobody", "root")
    await erasing.run_once()
    await erasing.run_once()
    assert (await erasing.get(erasure.id)).HasField("end_time")


async def test_nothing_new_is_stored_meanwhile(world: World) -> None:
    alone, running = await world.attempt("ada", path_spec()), await world.attempt("ada")
    session = await Sessions(world, "ada").open()
    erasing = eraser(world)
    await erasing.begin("ada", "root")
    for wanted in (
        world.upload("ada"),
        world.upload("ada", path_spec("new.txt")),
        Sessions(world, "ada").open(),
        Projects(world, "ada").begin(),
    ):
        with pytest.raises(UserBeingErased):
            await wanted
    await erasing.run_once()
    for late in (world.commit(alone), world.commit(running), Sessions(world, "ada").record(session, 1)):
        with pytest.raises(UploadSuperseded):
            await late
    assert (await world.upload("adam")).owner_id == "adam"


async def test_a_group_serves_the_others(world: World) -> None:
    """An owner who is being erased does not fail the uploads of others in the same transaction."""
    assert world.groups is not None
    await eraser(world).begin("ada", "root")
    for name in ("bea", "cyd"):
        assert (await world.upload(name)).owner_id == name
    with pytest.raises(UserBeingErased):
        await world.upload("ada")


async def test_a_transaction_that_began_before_is_waited_for(world: World) -> None:
    erasing = eraser(world)

    async def slow(tx: Transaction) -> None:
        await tx.execute("INSERT INTO quotas (owner_id, limit_files) VALUES ('ada', 1)")
        erasure, _ = await erasing.begin("ada", "root")
        for _ in range(3):
            await erasing.run_once()
        assert not (await erasing.get(erasure.id)).HasField("end_time")

    await world.database.transact(user("ada"), slow)
    await to_the_end(world, erasing, await erasing.get(owner_id="ada"))
    assert world.logins.rows("SELECT 1 FROM quotas WHERE owner_id = 'ada'") == []


async def test_a_crash_is_a_step_not_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step fails at its first run, after its work and before the commit; the next round continues."""
    await fill(world, "ada")
    await fill(world, "bea")
    erasing, dead = eraser(world), set[object]()
    erasure, _ = await erasing.begin("ada", "root")
    original = Erasures._step

    async def dies_once(self: Erasures, step: Step, *place: Any) -> int:
        async def fails(tx: Transaction, owner: Owner) -> tuple[pb.ErasureCounts, int]:
            await step(tx, owner)
            raise OSError("killed")

        first = step not in dead
        dead.add(step)
        return await original(self, fails if first else step, *place)

    monkeypatch.setattr(Erasures, "_step", dies_once)
    ended = await to_the_end(world, erasing, erasure)
    assert dead == set(STEPS)
    assert not any(counts(world, "ada").values())
    assert (ended.counts.files, ended.counts.projects) == (5, 1), "each row is counted once"
    assert counts(world, "bea")["files"] == 5


async def test_two_replicas_count_once(world: World) -> None:
    await fill(world, "ada")
    first, second = eraser(world), eraser(world)
    erasure, _ = await first.begin("ada", "root")
    for _ in range(40):
        await first.run_once()
        await second.run_once()
        await clean(world)
    ended = await second.get(erasure.id)
    assert (ended.HasField("end_time"), ended.counts.files) == (True, 5)
    assert len([a for a in await Acts(world.database).page("ada", "", 0, 0) if a.outcome == "finished"]) == 1


async def test_verifications_forget_whose_it_was(world: World) -> None:
    theirs = Finding(kind=FINDING_KIND_OBJECT_MISSING, owner_id="a/d a", key="x/y", size_bytes=7)
    by_key = Finding(kind=FINDING_KIND_OBJECT_MISSING, key="paths/a=2Fd=20a/notes.txt", expected="secret")
    others = Finding(kind=FINDING_KIND_OBJECT_MISSING, owner_id="a/d ab", key="paths/a=2Fd=20ab/n")
    cursors = ["paths/a=2Fd=20a/m.txt", "a/d a", "paths/zoe/m.txt"]
    runs = [await plant_finding(world, one.SerializeToString(), cursors) for one in (theirs, by_key, others)]
    erasing = eraser(world)
    erasure, _ = await erasing.begin("a/d a", "root")
    ended = await to_the_end(world, erasing, erasure)
    assert ended.counts.findings == 2 + 2 * len(runs)
    packed = [
        world.logins.rows("SELECT finding FROM verification_findings WHERE verification_id = %s", run)[0][0]
        for run in runs
    ]
    assert Finding.FromString(packed[0]) == Finding(kind=FINDING_KIND_OBJECT_MISSING, size_bytes=7)
    assert Finding.FromString(packed[1]) == Finding(kind=FINDING_KIND_OBJECT_MISSING)
    assert Finding.FromString(packed[2]) == others
    assert {row[0] for row in world.logins.rows("SELECT cursor FROM verification_shards")} == {
        "",
        "paths/zoe/m.txt",
    }


async def test_a_signed_receipt_over_grpc(database: Logins) -> None:
    async with serve(database, read_grace_seconds=0, tombstone_grace_seconds=0) as server:
        root, grace = server.user("root", roles=["admin"]), server.user("grace")
        refused = await refusal(
            grace.call(AdminServiceStub, "EraseUser", pb.EraseUserRequest(user_id="grace"))
        )
        assert refused.reason_name == "PERMISSION_DENIED"
        asked = pb.EraseUserRequest(user_id="grace")
        erasure = (await root.call(AdminServiceStub, "EraseUser", asked)).erasure
        found = await root.call(AdminServiceStub, "GetErasure", pb.GetErasureRequest(id=erasure.id))
        while not found.erasure.HasField("end_time"):
            assert not found.receipt_json
            found = await root.call(AdminServiceStub, "GetErasure", pb.GetErasureRequest(user_id="grace"))
        for wrong in ({}, {"id": "x"}, {"id": "x" * 36}, {"id": erasure.id, "user_id": "grace"}):
            error = await refusal(root.call(AdminServiceStub, "GetErasure", pb.GetErasureRequest(**wrong)))
            assert error.reason_name == "INVALID_FIELD"
    Ed25519PublicKey.from_public_bytes(found.public_key).verify(found.signature, found.receipt_json)
    receipt = json.loads(found.receipt_json)
    assert receipt["format"] == "strongroom-erasure/1"
    assert receipt["owner_sha256"] == found.erasure.owner_sha256.hex()
    assert receipt["backups_hold_until"] is None
    assert "grace" not in found.receipt_json.decode()  # not a hexadecimal text, as ids contain


async def test_erasures_that_wait_keep_no_new_one_waiting(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first erasures wait for a grace, and are as many as one round handles."""
    monkeypatch.setattr("metadata_service.erasing.erasures._AT_ONCE", 2)
    world = own_world.but(**{**GRACES, "tombstone_grace": 3600.0})
    erasing = eraser(world)
    for owner in ("erased-1", "erased-2", "ada"):
        await world.upload(owner)
        await erasing.begin(owner, "root")
        await erasing.run_once()
        assert not world.logins.rows("SELECT FROM files WHERE owner_id = %s", owner)
