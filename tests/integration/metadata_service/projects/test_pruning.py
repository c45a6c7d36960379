"""Removal of old versions by a rule, and which ones stay."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from metadata_service.blobs.states import DELETING
from metadata_service.db.paging import PageTokens
from metadata_service.projects.labels import VersionLabels
from metadata_service.projects.pruning import VersionPruner, VersionRules
from metadata_service.retention_rules import VersionRule
from metadata_service.shares.owners import OwnersShares, ShareEdit
from metadata_service.shares.passwords import Passwords
from strongroom.errors import ProjectNotFound, VersionNotFound
from strongroom.metadata.v1.project_pb2 import VersionLabel
from strongroom.metadata.v1.project_service_pb2 import UpdateProjectVersionRequest
from strongroom.metadata.v1.share_pb2 import (
    SHARE_STATE_ACTIVE,
    SHARE_STATE_EXPIRED,
    Share,
    SharedVersion,
    ShareScope,
)
from strongroom.metadata.v1.share_service_pb2 import CreateShareRequest
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.shares.making import maker_of
from tests.integration.metadata_service.waiting import held, waited
from tests.integration.metadata_service.world import World

PROJECTS_OF = "SELECT FROM projects WHERE owner_id = %s FOR UPDATE"


async def prune(projects: Projects, last: int = 0, daily_days: int = 0) -> int:
    project = await projects.queries.project(projects.owner, projects.slug)
    pruner = VersionPruner(projects.world.database, projects.world.timing, VersionRule(last, daily_days))
    return await pruner.prune(projects.owner, UUID(project.id), projects.slug)


async def versions(projects: Projects) -> list[int]:
    found, _ = await projects.queries.versions(projects.owner, projects.slug, 0, "")
    return [version.version for version in found]


async def saved(world: World, owner: str, count: int = 5) -> Projects:
    """Create versions 1 to `count` with three files: one that stays the same, one that changes each time, and
    one that is only in this version.
    """
    projects = Projects(world, owner)
    for number in range(1, count + 1):
        same = {"same.txt": b"same", "each.txt": f"{number}".encode(), f"only{number}.txt": b"x"}
        await projects.save(same)
    return projects


async def test_the_last_ones_stay_with_all_they_show(world: World, owner: str) -> None:
    projects = await saved(world, owner)
    before = {version: await projects.content(version) for version in (4, 5)}
    assert await prune(projects, last=2) == 3
    assert await versions(projects) == [5, 4]
    assert {version: await projects.content(version) for version in (4, 5)} == before
    for gone in (1, 2, 3):
        with pytest.raises(VersionNotFound):
            await projects.content(gone)
        with pytest.raises(VersionNotFound):
            await projects.queries.pinned_version(owner, "site", gone)
        with pytest.raises(VersionNotFound):
            await projects.queries.file(owner, "site", gone, "same.txt")
    assert projects.blob_states().count(DELETING) == 6  # each.txt and only{n}.txt of three versions
    assert projects.usage() == (len(b"same") + 2 + 2, 5)
    assert await prune(projects, last=2) == 0
    again = await projects.save({"same.txt": b"same"})
    assert again.version.version == 6


async def test_keys_that_only_old_versions_had_are_looked_at(world: World, owner: str) -> None:
    projects = await saved(world, owner, 3)
    world.logins.change("DELETE FROM project_keys WHERE owner_id = %s", owner)
    assert await prune(projects, last=2) == 1
    assert projects.due_keys() == ["only1.txt"]


async def test_named_and_tagged_ones_and_one_of_each_day_stay(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    labels = [VersionLabel(version_name="x"), None, VersionLabel(tags=["t"]), VersionLabel(message="m")]
    for label in [*labels, None, None, None, None]:
        begun = await projects.begin()
        await projects.commit(begun.save_id, [], 0, label=label)
    for version, days in {4: 9, 5: 9, 6: 40, 7: 1}.items():
        world.logins.change(
            "UPDATE project_versions SET created_at = now() - make_interval(days => %s)"
            " WHERE owner_id = %s AND version = %s",
            days,
            owner,
            version,
        )
    assert await prune(projects, last=1, daily_days=30) == 3
    assert await versions(projects) == [8, 7, 5, 3, 1]
    assert await prune(projects, last=1) == 2
    assert await versions(projects) == [8, 3, 1]


@pytest.mark.parametrize(
    "kept", ["held_at = now()", "keep_until = now() + interval '1 hour'"], ids=["on hold", "kept"]
)
async def test_of_what_is_kept_nothing_goes(world: World, owner: str, kept: str) -> None:
    projects = await saved(world, owner, 3)
    world.logins.change(f"UPDATE projects SET {kept} WHERE owner_id = %s", owner)
    assert await prune(projects, last=1) == 0
    world.logins.change("UPDATE projects SET held_at = NULL, keep_until = NULL WHERE owner_id = %s", owner)
    await projects.begin()  # a roll-back may be reading any version
    assert await prune(projects, last=1) == 0
    assert await versions(projects) == [3, 2, 1]


SHARE = "UPDATE shares SET {} WHERE owner_id = %s"


async def share(projects: Projects, version: int) -> str:
    maker = maker_of(projects.world)
    scope = ShareScope(project=SharedVersion(slug=projects.slug, version=version))
    made = await maker.create(projects.owner, CreateShareRequest(scope=scope, max_uses=1))
    return made.share.id


async def test_what_a_share_opens_stays_until_it_is_over(world: World, owner: str) -> None:
    projects = await saved(world, owner, 5)
    await share(projects, 1)
    world.logins.change(SHARE.format("uses = 1"), owner)  # used up, but guests who are in continue
    assert await prune(projects, last=1) == 3
    assert await versions(projects) == [5, 1]
    assert (await projects.content(1))["only1.txt"]
    world.logins.change(SHARE.format("expires_at = now() - interval '1 second'"), owner)
    assert await prune(projects, last=1) == 1
    await projects.save({"a.txt": b"6"})
    again = await share(projects, 5)
    assert await prune(projects, last=1) == 0
    world.logins.change("UPDATE shares SET revoked_at = now() WHERE id = %s", again)
    assert await prune(projects, last=1) == 1
    assert await versions(projects) == [6]
    with pytest.raises(VersionNotFound):
        await share(projects, 5)


async def test_a_share_whose_version_has_gone_is_not_extended(world: World, owner: str) -> None:
    """It would claim to be active and open nothing."""
    projects = await saved(world, owner, 3)
    over, kept = await share(projects, 1), await share(projects, 2)
    world.logins.change(SHARE.format("expires_at = now() - interval '1 second'"), owner)
    assert (await extended(world, owner, kept)).state == SHARE_STATE_ACTIVE
    assert await prune(projects, last=1) == 1
    assert await versions(projects) == [3, 2]
    with pytest.raises(VersionNotFound):
        await extended(world, owner, over)
    shares = owners_of(world)
    assert (await shares.get(owner, UUID(over))).state == SHARE_STATE_EXPIRED
    assert (await shares.update(ShareEdit(owner, UUID(over), title="Old"))).title == "Old"


async def test_a_share_that_is_extended_beside_pruning_sees_what_it_took(world: World, owner: str) -> None:
    projects = await saved(world, owner, 2)
    over = await share(projects, 1)
    with held(world, PROJECTS_OF, owner) as (holder, waits):
        holder.execute("DELETE FROM project_versions WHERE owner_id = %s AND version = 1", (owner,))
        extending = asyncio.create_task(extended(world, owner, over))
        await waited(extending, waits)
    with pytest.raises(VersionNotFound):
        await extending


def owners_of(world: World) -> OwnersShares:
    return OwnersShares(world.database, PageTokens(b"s" * 32), Passwords())


async def extended(world: World, owner: str, share_id: str) -> Share:
    return await owners_of(world).update(ShareEdit(owner, UUID(share_id), new_end=True))


async def test_a_share_of_another_project_keeps_nothing(world: World, owner: str) -> None:
    projects = await saved(world, owner, 3)
    await share(projects, 1)
    world.logins.change("DELETE FROM projects WHERE owner_id = %s", owner)  # its slug is free again
    later = await saved(world, owner, 3)
    assert await prune(later, last=1) == 2


async def test_a_share_that_waited_for_pruning_sees_what_it_took(world: World, owner: str) -> None:
    projects = await saved(world, owner, 2)
    with held(world, PROJECTS_OF, owner) as (holder, waits):
        holder.execute("DELETE FROM project_versions WHERE owner_id = %s AND version = 1", (owner,))
        making = asyncio.create_task(share(projects, 1))
        await waited(making, waits)
    with pytest.raises(VersionNotFound):
        await making


async def name(projects: Projects, version: int) -> str:
    request = UpdateProjectVersionRequest(slug=projects.slug, version=version, name="Launch")
    return (await VersionLabels(projects.world.database).update(projects.owner, request)).label.version_name


async def test_pruning_that_waited_for_a_name_sees_it(world: World, owner: str) -> None:
    projects = await saved(world, owner, 2)
    first = "SELECT FROM project_versions WHERE owner_id = %s AND version = 1 FOR UPDATE"
    with held(world, first, owner) as (holder, waits):
        naming = asyncio.create_task(name(projects, 1))
        await waited(naming, waits)
        pruning = asyncio.create_task(prune(projects, last=1))
        both = "SELECT count(*) = 2 FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        here = f"{both} AND datname = current_database()"
        await waited(pruning, lambda: holder.execute(here).fetchone() == (True,))
    assert (await naming, await pruning) == ("Launch", 0)
    assert await versions(projects) == [2, 1]


async def test_pruning_that_waited_for_a_save_sees_it(world: World, owner: str) -> None:
    """A roll-back may be reading any version."""
    projects = await saved(world, owner, 2)
    with held(world, PROJECTS_OF, owner) as (holder, waits):
        holder.execute(
            "INSERT INTO project_saves (owner_id, id, project_id, name, base_version, request_id,"
            " lease_expires_at) SELECT owner_id, %s, id, name, version, 'a save', now() + interval '1 hour'"
            " FROM projects WHERE owner_id = %s",
            (uuid.uuid4(), owner),
        )
        pruning = asyncio.create_task(prune(projects, last=1))
        await waited(pruning, waits)
    assert await pruning == 0


@pytest.mark.parametrize("keep", [share, name])
@pytest.mark.parametrize("first", ["keep", "pruning"])
async def test_what_keeps_a_version_and_pruning_at_once(
    world: World, owner: str, first: str, keep: Callable[[Projects, int], Awaitable[str]]
) -> None:
    """Whichever is first wins: the version stays, or the other request is told that it is gone."""
    projects = await saved(world, owner, 2)
    keeps, prunes = keep(projects, 1), prune(projects, last=1)
    both = (keeps, prunes) if first == "keep" else (prunes, keeps)
    answers = await asyncio.gather(*both, return_exceptions=True)
    stays = 1 in await versions(projects)
    told = [answer for answer in answers if isinstance(answer, VersionNotFound)]
    assert stays == (not told), answers
    assert not [answer for answer in answers if isinstance(answer, BaseException) and answer not in told]


async def test_without_a_rule_all_stay(world: World, owner: str) -> None:
    projects = await saved(world, owner, 3)
    assert await prune(projects) == 0
    assert await prune(projects, daily_days=3) == 0
    assert await versions(projects) == [3, 2, 1]


async def test_a_projects_own_rule(world: World, owner: str) -> None:
    projects = await saved(world, owner, 4)
    rules = VersionRules(world.database, VersionRule(9))
    assert await rules.get(owner, "site") == (VersionRule(9), False)
    assert await rules.set(owner, "site", VersionRule(3)) == (VersionRule(3), True)
    assert await prune(projects, last=1) == 1
    await rules.set(owner, "site", VersionRule(0))
    assert await prune(projects, last=1) == 0
    assert await rules.set(owner, "site", None) == (VersionRule(9), False)
    assert await prune(projects, last=1) == 2
    for whose, slug in ((f"user-{uuid.uuid4()}", "site"), (owner, "none")):
        with pytest.raises(ProjectNotFound):
            await rules.get(whose, slug)
        with pytest.raises(ProjectNotFound):
            await rules.set(whose, slug, VersionRule(1))


async def test_a_round_finds_the_projects_that_have_too_many(own_world: World) -> None:
    for owner, count in (("ada", 3), ("bob", 1), ("eve", 2)):
        await saved(own_world, owner, count)
    await VersionRules(own_world.database, VersionRule()).set("eve", "site", VersionRule(1))
    beats: list[None] = []
    pruner = VersionPruner(own_world.database, own_world.timing, VersionRule(2))
    assert await pruner.run_once(lambda: beats.append(None)) == 2
    assert await versions(Projects(own_world, "ada")) == [3, 2]
    assert await versions(Projects(own_world, "eve")) == [2]
