"""Automatic deletion: at a file's own time, or by its family's rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from metadata_service.projects.pruning import VersionPruner
from metadata_service.retaining.sweep import RetentionSweep
from metadata_service.retention_rules import DAY, RetentionRules, VersionRule, days_by_family
from servicekit.background import Heartbeat
from servicekit.settings import SettingError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_DELETED
from tests.integration.metadata_service.admin.erasing import eraser
from tests.integration.metadata_service.poison import poison
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World, path_spec, plain_spec


def sweep(world: World, versions: VersionRule | None = None, **delete_after: float) -> RetentionSweep:
    return RetentionSweep(
        world.database,
        world.timing,
        RetentionRules(delete_after=delete_after),
        Heartbeat("retention", 1.0),
        rest_seconds=1.0,
        pruner=VersionPruner(world.database, world.timing, versions or VersionRule()),
    )


def aged(world: World, file: File, days: int) -> File:
    world.logins.change(
        "UPDATE files SET created_at = now() - make_interval(days => %s) WHERE id = %s", days, file.id
    )
    return file


def in_trash(world: World) -> set[str]:
    return {row[0] for row in world.logins.rows("SELECT id::text FROM files WHERE deleted_at IS NOT NULL")}


async def test_by_a_time_of_its_own(own_world: World, owner: str) -> None:
    spec = plain_spec()
    spec.retention.delete_after_time.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    due, held, later = [await own_world.upload(owner, spec) for _ in range(3)]
    own_world.logins.change(
        "UPDATE files SET delete_after = now(), held_at = CASE WHEN id = %s THEN now() END WHERE id <> %s",
        held.id,
        later.id,
    )
    await sweep(own_world).run_once()
    assert in_trash(own_world) == {due.id}
    usage = await own_world.usage.usage(owner)
    assert (usage.file_count, usage.used_bytes) == (2, 20)
    events = own_world.logins.rows("SELECT subject_id FROM events WHERE type = %s", EVENT_TYPE_FILE_DELETED)
    assert [row[0] for row in events] == [due.id]
    own_world.logins.change("UPDATE files SET held_at = NULL")
    await sweep(own_world).run_once()
    assert in_trash(own_world) == {due.id, held.id}
    own_world.logins.change("UPDATE files SET purge_at = now() WHERE deleted_at IS NOT NULL")
    await own_world.cleaning.claim(1)
    assert [row[0] for row in own_world.logins.rows("SELECT id::text FROM files")] == [later.id]


async def test_by_the_rule_of_its_family(own_world: World) -> None:
    """For all owners and older files, too; a file with a time of its own is deleted at that time."""
    old = [aged(own_world, await own_world.upload(f"user-{n}"), 31) for n in range(5)]
    aged(own_world, await own_world.upload("user-1"), 29)
    aged(own_world, await own_world.upload("user-2", path_spec()), 31)
    own = aged(own_world, await own_world.upload("user-3"), 31)
    own_world.logins.change("UPDATE files SET delete_after = now() + interval '1 d' WHERE id = %s", own.id)
    held = aged(own_world, await own_world.upload("user-4"), 31)
    own_world.logins.change("UPDATE files SET held_at = now() WHERE id = %s", held.id)
    await sweep(own_world).run_once()
    assert in_trash(own_world) == set()
    await sweep(own_world, files=30 * DAY).run_once()
    assert in_trash(own_world) == {file.id for file in old}


async def test_batches(own_world: World, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadata_service.retaining.sweep.OWNERS", 2)
    for number in range(5):
        aged(own_world, await own_world.upload(f"{owner}-{number}"), 3)
    await sweep(own_world, files=DAY).run_once()
    assert len(in_trash(own_world)) == 5


async def test_owners_of_whom_nothing_can_be_done_keep_nobody_waiting(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows are due for longest, and are as many as one look returns."""
    monkeypatch.setattr("metadata_service.retaining.sweep.OWNERS", 2)
    for owner in ("erased-1", "erased-2", "ada", "bob"):
        await own_world.upload(owner)
        await own_world.upload(owner)
        own_world.logins.change(
            "UPDATE files SET delete_after = now() - make_interval(days => %s) WHERE owner_id = %s",
            2 if owner.startswith("erased") else 1,
            owner,
        )
    for erased in ("erased-1", "erased-2"):
        await eraser(own_world).begin(erased, "root")
    await sweep(own_world).run_once()
    rows = own_world.logins.rows("SELECT owner_id FROM files WHERE deleted_at IS NOT NULL ORDER BY owner_id")
    assert [row[0] for row in rows] == ["ada", "ada", "bob", "bob"]


async def test_what_fails_of_one_owner_fails_alone(own_world: World) -> None:
    """For files with a time of their own, old files, and old versions."""
    for owner in ("bob", "ill", "zoe"):
        dated = await own_world.upload(owner)
        own_world.logins.change("UPDATE files SET delete_after = now() WHERE id = %s", dated.id)
        aged(own_world, await own_world.upload(owner), 3)
        project = Projects(own_world, owner)
        for number in range(3):
            await project.save({"a.txt": f"{number}".encode()})
    poison(own_world, "files", "OLD.owner_id = 'ill'")
    own_world.logins.change(
        "CREATE TRIGGER poisoned BEFORE DELETE ON project_versions FOR EACH ROW WHEN (OLD.owner_id = 'ill')"
        " EXECUTE FUNCTION poisoned()"
    )
    with capture_logs() as lines:
        await sweep(own_world, VersionRule(last=1), files=DAY).run_once()
    rows = own_world.logins.rows("SELECT owner_id FROM files WHERE deleted_at IS NOT NULL ORDER BY owner_id")
    assert [row[0] for row in rows] == ["bob", "bob", "zoe", "zoe"]
    rows = own_world.logins.rows("SELECT owner_id, count(*) FROM project_versions GROUP BY 1 ORDER BY 1")
    assert rows == [("bob", 1), ("ill", 3), ("zoe", 1)]
    told = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert told == ["retention_fails", "versions_not_pruned"]


async def test_what_takes_too_long_of_one_owner_fails_alone(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadata_service.retaining.sweep.LARGE_SECONDS", 1.0)
    for owner in ("ill", "zoe"):
        aged(own_world, await own_world.upload(owner), 3)
    own_world.logins.change(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$"
    )
    own_world.logins.change(
        "CREATE TRIGGER late BEFORE UPDATE ON files FOR EACH ROW WHEN (OLD.owner_id = 'ill')"
        " EXECUTE FUNCTION late()"
    )
    await sweep(own_world, files=DAY).run_once()
    rows = own_world.logins.rows("SELECT owner_id FROM files WHERE deleted_at IS NOT NULL")
    assert rows == [("zoe",)]


async def test_whose_next_is_due_before_the_round_has_ended_keeps_nobody(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the round would never end, and the rules by age would never run."""
    busy = await own_world.upload("busy")
    own_world.logins.change("UPDATE files SET delete_after = now() WHERE id = %s", busy.id)
    old = aged(own_world, await own_world.upload("zoe"), 3)
    round_ = sweep(own_world, files=DAY)
    ends, rounds = RetentionSweep._end, []

    async def end_and_more(self: RetentionSweep, owner_id: str, lock: str, params: dict[str, object]) -> int:
        moved = await ends(self, owner_id, lock, params)
        if owner_id == "busy":
            rounds.append(moved)
            assert len(rounds) < 3
            own_world.logins.change(
                "UPDATE files SET deleted_at = NULL, purge_at = NULL WHERE id = %s", busy.id
            )
        return moved

    monkeypatch.setattr(RetentionSweep, "_end", end_and_more)
    await round_.run_once()
    assert in_trash(own_world) == {old.id}


@pytest.mark.parametrize(
    "text", ["generations", "temp=1", "files=0", "files=-1", "files=x", "files=nan", "files=1,files=2", "a=1"]
)
def test_settings_that_make_no_sense(text: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_X"):
        days_by_family("STRONGROOM_X", text, projects=False)


def test_settings() -> None:
    assert days_by_family("X", "", projects=True) == {}
    found = days_by_family("X", " generations=90, projects = 0.5 ,", projects=True)
    assert found == {"generations": 90 * DAY, "projects": DAY / 2}
    with pytest.raises(SettingError):
        days_by_family("X", "projects=1", projects=False)
