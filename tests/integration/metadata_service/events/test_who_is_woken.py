"""NOTIFY locks the whole database: only transactions that write an event use it."""

from __future__ import annotations

import pytest

from metadata_service.attempts.groups import Groups
from metadata_service.config import Limits
from metadata_service.db.database import Database
from tests.integration.metadata_service.sessions.test_sessions import Sessions
from tests.integration.metadata_service.world import World, path_spec, plain_spec


@pytest.fixture
def woken() -> list[str]:
    """The owners who were notified."""
    return []


@pytest.fixture
def watched(world: World, woken: list[str]) -> World:
    """The same world on a database that reports to ``woken``."""
    database = Database(world.pool, committed=woken.append)
    groups = Groups(database, world.limits)
    return World(world.logins, world.pool, database, world.timing, world.limits, groups)


@pytest.mark.parametrize(
    "spec",
    [plain_spec(), plain_spec("r1"), path_spec(), path_spec(if_generation_match=0)],
    ids=["plain", "with a request id", "to a place", "with a precondition"],
)
async def test_a_file_wakes_its_owner_once_it_is_there(
    watched: World, owner: str, woken: list[str], spec: object
) -> None:
    blob = await watched.attempt(owner, spec)  # type: ignore[arg-type]
    assert woken == []
    file = (await watched.commit(blob)).file
    assert woken == [owner]
    await watched.delete(owner, file)
    assert woken == [owner, owner]


async def test_steps_of_an_attempt_and_limits_wake_nobody(
    watched: World, owner: str, woken: list[str]
) -> None:
    await watched.completing(owner)
    await watched.usage.set_limits(owner, Limits(files=10), actor="root")
    await watched.queries.by_key(owner, (await watched.upload(owner)).key)
    assert woken == [owner]  # by the upload


async def test_progress_wakes_when_it_is_told_of(watched: World, owner: str, woken: list[str]) -> None:
    sessions = Sessions(watched, owner)
    acquired = await sessions.reading.acquire(owner, (await sessions.open(10)).upload_id)
    assert woken == []
    await sessions.record(acquired, 3)
    assert woken == [owner]
    await sessions.record(acquired, 5)  # within two seconds of the previous one
    assert woken == [owner]
    assert [one["persisted_size"] for one in sessions.told()] == [3]
