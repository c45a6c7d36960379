"""No operation can delete or replace what is kept or held."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration

from metadata_service.erasing.erasures import Erasures
from metadata_service.erasing.rows import BEGIN
from metadata_service.projects.commit import SaveCommitter
from metadata_service.projects.removal import ProjectRemover
from metadata_service.projects.start import SaveStarter
from metadata_service.retaining.retainer import Actor, Retainer, Wanted
from metadata_service.retaining.subjects import Subject
from servicekit.background import Heartbeat
from strongroom.errors import (
    FileNotFound,
    InvalidField,
    PermissionDenied,
    ProjectNotFound,
    RetentionHeld,
    UserBeingErased,
)
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest, CommitSaveRequest
from strongroom.metadata.v1.retention_pb2 import RetentionWish
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service import waiting
from tests.integration.metadata_service.world import World, path_spec, plain_spec


def actor(owner: str, *, admin: bool = False) -> Actor:
    return Actor("root" if admin else owner, admin, "r-1")


def soon(days: float = 1.0) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def of(file: File) -> Subject:
    return Subject(file.owner_id, uuid.UUID(file.id), "")


async def kept(world: World, file: File, days: float = 1.0) -> datetime:
    until = soon(days)
    await Retainer(world.database).set(of(file), Wanted(until), actor(file.owner_id))
    return until


async def held(world: World, file: File, *, admin: bool = False) -> None:
    await Retainer(world.database).place_hold(of(file), "case 7", actor(file.owner_id, admin=admin))


async def replaced(world: World, owner: str, file: File) -> None:
    await world.upload(owner, path_spec())


async def begun_before(world: World, owner: str, file: File) -> None:
    """T4 of an upload that began before the file was kept."""
    world.logins.change("UPDATE files SET keep_until = NULL, held_at = NULL WHERE id = %s", file.id)
    blob = await world.attempt(owner, path_spec())
    world.logins.change("UPDATE files SET keep_until = now() + interval '1 d' WHERE id = %s", file.id)
    try:
        await world.commit(blob)
    finally:
        assert world.state(blob) == blob_pb2.BLOB_STATE_ABORTING


DOORS: dict[str, Callable[[World, str, File], Awaitable[Any]]] = {
    "deletion": lambda world, owner, file: world.delete(owner, file),
    "deletion into the trash": lambda world, owner, file: world.delete(owner, file, soft=True),
    "deletion of its folder": lambda world, owner, _: world.folders.delete(
        owner, f"paths/{owner}/a", soft=False
    ),
    "its folder into the trash": lambda world, owner, _: world.folders.delete(
        owner, f"paths/{owner}/a", soft=True
    ),
    "replacement": replaced,
    "replacement that was begun before": begun_before,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("how", ["kept", "held"])
async def test_no_door_ends_it(world: World, owner: str, door: str, how: str) -> None:
    file = await world.upload(owner, path_spec())
    await (kept(world, file) if how == "kept" else held(world, file))
    with pytest.raises(RetentionHeld) as refused:
        await DOORS[door](world, owner, file)
    if door != "replacement that was begun before":
        assert refused.value.metadata.keys() == {"until" if how == "kept" else "hold"}
    assert file.key in refused.value.message
    found = await world.queries.by_id(owner, uuid.UUID(file.id))
    assert (found.etag, found.generation) == (file.etag, file.generation)


async def test_no_statement_ends_it_either(world: World, owner: str) -> None:
    """Not even statements of code that ignores retention."""
    file = await world.upload(owner)
    await held(world, file)
    for statement in (
        "DELETE FROM files WHERE id = %s",
        "UPDATE files SET deleted_at = now(), purge_at = now() WHERE id = %s",
        "UPDATE files SET blob_id = gen_random_uuid() WHERE id = %s",
    ):
        with pytest.raises(psycopg.Error) as refused:
            world.logins.change(statement, file.id)
        assert refused.value.sqlstate == "SR423"
    assert world.logins.change("UPDATE files SET filename = 'b.txt' WHERE id = %s", file.id) == 1


async def test_once_its_time_is_over_it_goes(world: World, owner: str) -> None:
    file = await world.upload(owner, path_spec())
    await kept(world, file)
    world.logins.change("UPDATE files SET keep_until = now() WHERE id = %s", file.id)
    again = await world.upload(owner, path_spec())
    assert (again.id, again.generation) == (file.id, 2)
    assert not again.HasField("retention")
    await held(world, again)
    with pytest.raises(RetentionHeld, match="once its owner or an admin has lifted the hold"):
        await world.delete(owner, again)
    await Retainer(world.database).lift_hold(of(again), actor(owner))
    await world.delete(owner, again)


async def test_in_the_trash(world: World, owner: str) -> None:
    """A file on hold there stays after its purge time, and can be restored."""
    files = [await world.upload(owner) for _ in range(3)]
    for file in files:
        await world.delete(owner, file, soft=True)
    await held(world, files[0], admin=True)
    with pytest.raises(RetentionHeld):
        await world.trash.purge(owner, uuid.UUID(files[0].id))
    gone = await world.trash.empty(owner, 0)
    assert (gone.files, gone.kept, gone.more) == (2, 1, False)
    world.logins.change("UPDATE files SET purge_at = now() - interval '1 s' WHERE id = %s", files[0].id)
    await world.cleaning.claim(1)
    [left], _ = await world.trash.page(owner, 0, 10, "")
    assert left.retention.hold.reason == "case 7"
    restored = await world.deleting.undelete(owner, uuid.UUID(files[0].id))
    assert restored.id == files[0].id


async def test_nobody_keeps_for_ever_what_takes_none_of_his_quota(world: World, owner: str) -> None:
    """Files in the trash don't count for the quota, because they are deleted after a week."""
    file = await world.upload(owner)
    await held(world, file)
    await Retainer(world.database).lift_hold(of(file), actor(owner))
    await world.delete(owner, file, soft=True)
    for protect in (kept, held):
        with pytest.raises(InvalidField, match="restore it first"):
            await protect(world, file)
    await held(world, file, admin=True)
    await Retainer(world.database).lift_hold(of(file), actor(owner, admin=True))
    await world.deleting.undelete(owner, uuid.UUID(file.id))
    await held(world, file)


async def test_the_cleaner_goes_on_beside_what_is_held(own_world: World, owner: str) -> None:
    one, other = [await own_world.delete(owner, await own_world.upload(owner), soft=True) for _ in range(2)]
    await held(own_world, one, admin=True)
    own_world.logins.change("UPDATE files SET purge_at = now() - interval '1 s'")
    await own_world.cleaning.claim(1)
    assert [row[0] for row in own_world.logins.rows("SELECT id::text FROM files")] == [one.id]
    assert other.id != one.id


async def test_uploads_say_how_long_they_stay(world: World, owner: str) -> None:
    spec = plain_spec()
    spec.retention.keep_for.seconds = 3600
    spec.retention.delete_after_time.FromDatetime(soon(2))
    by_group = await world.upload(owner, spec)
    spec.request_id = uuid.uuid4().hex  # goes alone, not in a group
    alone = await world.upload(owner, spec)
    for file in (by_group, alone):
        assert (await world.queries.by_id(owner, uuid.UUID(file.id))).retention == file.retention
        left = file.retention.keep_until_time.ToDatetime(tzinfo=UTC) - file.create_time.ToDatetime(tzinfo=UTC)
        assert left == timedelta(hours=1)
        assert file.retention.HasField("delete_after_time")
        with pytest.raises(RetentionHeld):
            await world.delete(owner, file)
    temporary = UploadSpec(filename="a.txt", content_type="text/plain")
    temporary.target.temp.SetInParent()
    temporary.retention.keep_for.seconds = 1
    with pytest.raises(InvalidField, match="deleted automatically"):
        await world.reserve(owner, temporary)


async def test_who_may_do_what(world: World, owner: str) -> None:
    retainer = Retainer(world.database)
    file = await world.upload(owner)
    until = await kept(world, file, days=2)
    await retainer.set(of(file), Wanted(until + timedelta(days=1)), actor(owner))
    for wanted in (Wanted(soon()), Wanted(clear_keep=True)):
        with pytest.raises(PermissionDenied, match="only an admin may shorten it"):
            await retainer.set(of(file), wanted, actor(owner))
        await retainer.set(of(file), wanted, actor(owner, admin=True))
        await kept(world, file, days=2)
    await held(world, file, admin=True)
    for refused in (
        retainer.lift_hold(of(file), actor(owner)),
        retainer.place_hold(of(file), "mine", actor(owner)),
    ):
        with pytest.raises(PermissionDenied, match="only an admin"):
            await refused
    with pytest.raises(RetentionHeld, match="once an admin has lifted"):
        await world.delete(owner, file)
    lifted = await retainer.lift_hold(of(file), actor(owner, admin=True))
    assert lifted.HasField("keep_until_time")
    assert not lifted.HasField("hold")
    acts = world.logins.rows(
        "SELECT act, actor FROM admin_acts JOIN admin_act_owners ON act_id = id WHERE owner_id = %s"
        " ORDER BY id",
        owner,
    )
    assert acts == [
        *([("set_retention", "root")] * 2),
        ("place_hold", "root"),
        ("lift_hold", "root"),
    ]
    stranger = Subject(f"{owner}-2", uuid.UUID(file.id), "")
    for call in (
        retainer.set(stranger, Wanted(soon()), actor(f"{owner}-2")),
        retainer.place_hold(stranger, "", actor(f"{owner}-2")),
        retainer.lift_hold(stranger, actor(f"{owner}-2")),
    ):
        with pytest.raises(FileNotFound):
            await call


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(datetime.now(UTC) - timedelta(seconds=1)),
        Wanted(datetime.now(UTC) + timedelta(days=40_000)),
        Wanted(datetime.now(UTC) + timedelta(days=1), clear_keep=True),
        Wanted(delete_after=datetime.now(UTC) - timedelta(seconds=1)),
    ],
)
async def test_what_makes_no_sense(world: World, owner: str, wanted: Wanted) -> None:
    file = await world.upload(owner)
    with pytest.raises(InvalidField):
        await Retainer(world.database).set(of(file), wanted, actor(owner))


async def test_a_project_stays_with_all_its_versions(world: World, owner: str) -> None:
    project_id = uuid.uuid4()
    world.logins.change(
        "INSERT INTO projects (owner_id, id, slug, name, version) VALUES (%s, %s, 'site', 'Site', 1)",
        owner,
        project_id,
    )
    retainer, remover = Retainer(world.database), ProjectRemover(world.database, world.timing)
    site = Subject(owner, None, "site")
    await retainer.place_hold(site, "", actor(owner))
    with pytest.raises(RetentionHeld, match="site is on legal hold"):
        await remover.remove(owner, "site")
    await retainer.lift_hold(site, actor(owner))
    await retainer.set(site, Wanted(soon()), actor(owner))
    with pytest.raises(RetentionHeld, match="site is kept until"):
        await remover.remove(owner, "site")
    with pytest.raises(InvalidField):
        await retainer.set(site, Wanted(delete_after=soon()), actor(owner))
    with pytest.raises(ProjectNotFound):
        await retainer.place_hold(Subject(owner, None, "other"), "", actor(owner))
    world.logins.change("UPDATE projects SET keep_until = now() WHERE id = %s", project_id)
    assert (await remover.remove(owner, "site")).slug == "site"


async def test_an_erasure_asks_first(own_world: World, owner: str) -> None:
    file = await own_world.upload(owner)
    await held(own_world, file)
    erasures = Erasures(own_world.database, own_world.timing, Heartbeat("erasures", 1.0))
    with pytest.raises(RetentionHeld, match="files: 1, projects: 0; holds: "):
        await erasures.begin(owner, "root")
    assert await own_world.queries.by_id(owner, uuid.UUID(file.id))
    _, begun = await erasures.begin(owner, "root", override_holds=True)
    with pytest.raises(UserBeingErased):
        await held(own_world, file)
    with pytest.raises(UserBeingErased):
        await kept(own_world, file)
    await erasures.run_once()
    assert begun
    assert not own_world.logins.rows("SELECT FROM files WHERE owner_id = %s", owner)
    [(details,)] = own_world.logins.rows("SELECT details FROM admin_acts WHERE act = 'erase_user'")
    assert "override_holds" in details


@pytest.mark.parametrize("door", ["hold", "upload"])
async def test_what_is_held_while_an_erasure_begins(own_world: World, owner: str, door: str) -> None:
    """One of the two is first and the other is refused: nothing reported as held is erased."""
    erasures = Erasures(own_world.database, own_world.timing, Heartbeat("erasures", 1.0))
    for number in range(6):
        owner_id = f"{owner}-{number}"
        if door == "hold":
            holds = held(own_world, await own_world.upload(owner_id))
        else:
            spec = plain_spec()
            spec.retention.hold_reason, spec.retention.hold_by = "case 7", owner_id
            holds = _committed(own_world, await own_world.attempt(owner_id, spec))
        both = [holds, erasures.begin(owner_id, "root")]
        answers = await asyncio.gather(*both[:: -1 if number % 2 else 1], return_exceptions=True)
        refused = [one for one in answers if isinstance(one, BaseException)]
        assert [type(one) for one in refused] in ([RetentionHeld], [UserBeingErased]), answers


@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "in a group"])
@pytest.mark.parametrize("wish", ["keep_for", "keep_until_time"])
async def test_what_is_kept_waits_for_an_erasure_that_begins(
    own_world: World, owner: str, wish: str, *, grouped: bool
) -> None:
    """The beginning erasure has not seen a file committed at the same time, so the file is not stored."""
    world = own_world if grouped else replace(own_world, groups=None)
    spec = plain_spec()
    if wish == "keep_for":
        spec.retention.keep_for.FromTimedelta(timedelta(days=1))
    else:
        spec.retention.keep_until_time.FromDatetime(soon())
    blob = await world.attempt(owner, spec)
    begins = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 21366))"
    with waiting.held(world, begins, owner) as (holder, waits):
        holder.execute(BEGIN, {"id": uuid.uuid4(), "owner": owner})
        committing = asyncio.create_task(_committed(world, blob))
        await waiting.waited(committing, waits)
    with pytest.raises(UserBeingErased):
        await committing


@pytest.mark.parametrize("rule", [None, 86_400.0], ids=["wish", "rule"])
async def test_so_does_a_save_that_keeps_its_project(
    own_world: World, owner: str, rule: float | None
) -> None:
    wish = RetentionWish() if rule else RetentionWish(keep_for=Duration(seconds=86_400))
    begun = await SaveStarter(own_world.database, own_world.timing).begin(
        owner, BeginSaveRequest(slug="shop", retention=wish)
    )
    committer = SaveCommitter(own_world.database, own_world.timing, keep=rule)
    begins = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 21366))"
    with waiting.held(own_world, begins, owner) as (holder, waits):
        holder.execute(BEGIN, {"id": uuid.uuid4(), "owner": owner})
        commit = CommitSaveRequest(save_id=begun.save_id, owner_id=owner)
        committing = asyncio.create_task(committer.commit(commit))
        await waiting.waited(committing, waits)
    with pytest.raises(UserBeingErased):
        await committing


async def _committed(world: World, blob: Any) -> None:
    await world.commit(blob)
