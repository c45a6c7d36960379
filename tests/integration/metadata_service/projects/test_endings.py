"""Saves that end without a version, deletions, and the keys that have to be checked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from metadata_service.attempts.cleaning import Expiry
from metadata_service.db.database import Transaction
from metadata_service.projects import endings
from metadata_service.projects.keys import ProjectKeys
from strongroom.errors import ProjectNotFound, RequestInProgress, UploadSuperseded
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from tests.integration.metadata_service.admin.erasing import eraser
from tests.integration.metadata_service.projects.saving import Projects, entries, hashes
from tests.integration.metadata_service.world import World

FILES = {"a": b"1", "b": b"22"}
ABORTING, DELETING, COMMITTED, PENDING = 5, 4, 3, 1


async def test_an_abandoned_first_save_leaves_no_project(projects: Projects) -> None:
    begun = await projects.begin()
    await projects.reserve(begun.save_id, FILES)
    assert projects.blob_states() == [PENDING, PENDING]
    await projects.abandon(begun.save_id)
    assert projects.counts("projects", "project_saves", "project_save_files") == [0, 0, 0]
    assert projects.blob_states() == [ABORTING, ABORTING]
    assert projects.due_keys() == ["a", "b"]
    with pytest.raises(ProjectNotFound):
        await projects.queries.project(projects.owner, projects.slug)


async def test_an_abandoned_save_leaves_the_version_before(projects: Projects) -> None:
    await projects.save(FILES)
    begun = await projects.begin()
    await projects.reserve(begun.save_id, {"a": b"new"})
    await projects.abandon(begun.save_id)
    assert await projects.content() == hashes(FILES)
    assert projects.blob_states() == [COMMITTED, COMMITTED, ABORTING]
    assert projects.usage() == (3, 2)


async def test_a_silent_save_is_given_up_by_the_cleaner(projects: Projects) -> None:
    begun = await projects.begin()
    blobs = await projects.reserve(begun.save_id, FILES)
    projects.let_lease_run_out()
    _, given_up = await projects.keys.claim(0)
    assert given_up == 1
    assert projects.blob_states() == [ABORTING, ABORTING]
    with pytest.raises(UploadSuperseded):
        await projects.commit(begun.save_id, entries(blobs, FILES), 2)


async def test_a_silent_save_of_somebody_who_is_erased_stands_in_nobodys_way(own_world: World) -> None:
    erased, ada = Projects(own_world, "erased"), Projects(own_world, "ada")
    for projects in (erased, ada):
        await projects.reserve((await projects.begin()).save_id, FILES)
        projects.let_lease_run_out()
    await eraser(own_world).begin("erased", "root")
    keys, given_up = await ada.keys.claim(0)
    assert given_up == 2
    assert {key.owner_id for key in keys} == {"ada", "erased"}
    assert ada.blob_states() == [ABORTING] * 2


async def test_one_that_can_not_be_ended_is_left_to_the_next_round(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Projects(own_world, "ada"), Projects(own_world, "bob")
    for projects in (first, second):
        await projects.begin()
        projects.let_lease_run_out()
    give_up = endings.give_up

    async def failing(tx: Transaction, owner_id: str, *more: Any) -> None:
        if owner_id == "ada":
            raise ZeroDivisionError
        await give_up(tx, owner_id, *more)

    monkeypatch.setattr(endings, "give_up", failing)
    assert (await first.keys.claim(0))[1] == 1
    monkeypatch.undo()
    assert (await first.keys.claim(0))[1] == 1


async def test_a_save_that_nobody_could_hear_is_not_given_up(projects: Projects) -> None:
    """The service starts after an absence longer than a lease."""
    begun = await projects.begin()
    blobs = await projects.reserve(begun.save_id, FILES)
    projects.let_lease_run_out()
    world, lease = projects.world, projects.world.timing.lease
    keys = ProjectKeys(world.database, world.timing, Expiry(lease, away=True))
    assert (await keys.claim(0))[1] == 0
    assert (await projects.keys.claim(0))[1] == 1
    assert projects.blob_states() == [ABORTING] * len(blobs)


async def test_a_silent_save_gives_way_to_the_next_one(projects: Projects) -> None:
    await projects.save(FILES)
    begun = await projects.begin()
    await projects.reserve(begun.save_id, {"a": b"x"})
    with pytest.raises(RequestInProgress):
        await projects.begin()
    projects.let_lease_run_out()
    await projects.save({"a": b"y"})
    assert await projects.content() == hashes({"a": b"y"})


async def test_a_silent_first_save_gives_way_too(projects: Projects) -> None:
    await projects.begin()
    projects.let_lease_run_out()
    assert (await projects.save(FILES)).version.version == 1


async def test_renewing_keeps_a_save_alive(projects: Projects) -> None:
    begun = await projects.begin()
    projects.let_lease_run_out()
    assert await projects.writing.renew(projects.owner, UUID(begun.save_id)) == projects.world.timing.lease
    with pytest.raises(RequestInProgress):
        await projects.begin()


async def test_the_cleaner_of_blobs_leaves_a_save_alone(projects: Projects) -> None:
    begun = await projects.begin()
    await projects.reserve(begun.save_id, FILES)
    claimed, _ = await projects.world.cleaning.claim(500)
    assert [blob for blob in claimed if blob.owner_id == projects.owner] == []
    assert projects.blob_states() == [PENDING, PENDING]


async def test_a_deleted_project_is_gone_with_all_its_versions(projects: Projects) -> None:
    await projects.save(FILES)
    await projects.save({"a": b"2"})
    await projects.save({"a": b"2", "b": b"again"})
    await projects.remove()
    assert projects.counts("projects", "project_versions", "project_files") == [0, 0, 0]
    assert projects.blob_states() == [DELETING] * 4
    assert projects.usage() == (0, 0)
    assert projects.due_keys() == ["b"]  # it had a delete marker once
    with pytest.raises(ProjectNotFound):
        await projects.remove()


async def test_deleting_ends_a_save_under_way(projects: Projects) -> None:
    await projects.save(FILES)
    begun = await projects.begin()
    blobs = await projects.reserve(begun.save_id, {"a": b"3"})
    await projects.remove()
    assert projects.blob_states() == [DELETING, DELETING, ABORTING]
    with pytest.raises(UploadSuperseded):
        await projects.commit(begun.save_id, entries(blobs, {"a": b"3"}), 1)


async def test_the_slug_is_free_after_deletion(projects: Projects) -> None:
    await projects.save(FILES)
    await projects.remove()
    assert (await projects.save({"a": b"new"})).version.version == 1
    assert await projects.content() == hashes({"a": b"new"})


async def test_claimed_keys_say_what_has_to_be_current(projects: Projects) -> None:
    await projects.save({"a": b"1", "b": b"2", "c": b"3"})
    await projects.save({"a": b"1"})
    begun = await projects.begin()
    await projects.reserve(begun.save_id, {"b": b"4"})
    await projects.abandon(begun.save_id)
    claimed, _ = await projects.keys.claim(0, projects.owner, projects.slug)
    told = {key.key.rpartition("/")[2]: key for key in claimed}
    assert sorted(told) == ["b", "c"]
    assert (told["c"].wanted_version_id, told["c"].has_versions, told["c"].is_busy) == ("", True, False)
    assert (told["b"].wanted_version_id, told["b"].has_versions, told["b"].is_busy) == ("", True, True)
    again, _ = await projects.keys.claim(0, projects.owner, projects.slug)
    assert again == []  # leased


async def test_a_key_stays_until_the_tombstone_grace_is_over(projects: Projects) -> None:
    await projects.save(FILES)
    await projects.save({"a": b"1"})
    quick = projects.but(tombstone_grace=0.0)
    (key,), _ = await projects.keys.claim(0, projects.owner, projects.slug)
    await projects.keys.report([_report(key, pb.KEY_OUTCOME_RIGHT)])
    assert projects.due_keys() == ["b"]
    await quick.keys.report([_report(key, pb.KEY_OUTCOME_RIGHT)])
    assert projects.due_keys() == []


async def test_a_mended_key_is_looked_at_again(projects: Projects) -> None:
    await projects.save(FILES)
    await projects.save({"a": b"1"})
    quick = projects.but(tombstone_grace=0.0)
    (key,), _ = await quick.keys.claim(0, projects.owner, projects.slug)
    await quick.keys.report([_report(key, pb.KEY_OUTCOME_MENDED)])
    (again,), _ = await quick.keys.claim(0, projects.owner, projects.slug)
    assert again.epoch > key.epoch
    await quick.keys.report([_report(again, pb.KEY_OUTCOME_LATER)])
    assert projects.due_keys() == ["b"]


async def test_a_key_touched_meanwhile_is_not_forgotten(projects: Projects) -> None:
    await projects.save(FILES)
    await projects.save({"a": b"1"})
    quick = projects.but(tombstone_grace=0.0)
    (key,), _ = await quick.keys.claim(0, projects.owner, projects.slug)
    await projects.save({"a": b"1", "b": b"back"})
    await quick.keys.report([_report(key, pb.KEY_OUTCOME_RIGHT)])
    ((again,), _) = await quick.keys.claim(0, projects.owner, projects.slug)
    assert again.wanted_version_id == (await projects.manifest())["b"].version_id


def _report(key: pb.ProjectKey, outcome: pb.KeyOutcome.ValueType) -> pb.KeyReport:
    return pb.KeyReport(owner_id=key.owner_id, key=key.key, epoch=key.epoch, outcome=outcome)
