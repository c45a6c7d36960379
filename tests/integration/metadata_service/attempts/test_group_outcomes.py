"""The connection breaks around the COMMIT of a group: all of it is committed or nothing, and nobody is told
an outcome that is unknown (rules R2 and R4).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import pytest

from metadata_service.attempts import groups
from servicekit import failpoints
from strongroom.errors import DatabaseUnavailable
from strongroom.metadata.v1 import blob_pb2
from tests.databases import Logins
from tests.faults.tcp_proxy import Moment, PostgresProxy
from tests.integration.metadata_service.world import World, make_world

MOMENTS: Final[tuple[Moment, ...]] = ("before", "mid", "race", "after")
OPEN: Final = "SELECT count(*) FROM blobs WHERE owner_id = ANY(%s) AND state = 1"
VISIBLE: Final = "SELECT count(*) FROM files WHERE owner_id = ANY(%s)"


@pytest.fixture
def proxy(module_database: Logins) -> Iterator[PostgresProxy]:
    parts = urlsplit(module_database.app)
    assert parts.hostname is not None
    assert parts.port is not None
    with PostgresProxy(parts.hostname, parts.port) as running:
        yield running


@pytest.fixture
async def behind(module_database: Logins, proxy: PostgresProxy) -> AsyncIterator[World]:
    """A world whose connections lead through the proxy."""
    parts = urlsplit(module_database.app)
    login = (parts.netloc.rpartition("@")[0], f"127.0.0.1:{proxy.port}")
    through = urlunsplit(parts._replace(netloc="@".join(login)))
    async with make_world(replace(module_database, app=through)) as world:
        yield world


@pytest.fixture
def owners() -> list[str]:
    return [f"user-{uuid.uuid4()}" for _ in range(6)]


def count(world: World, query: str, owners: list[str]) -> int:
    return int(world.logins.rows(query, owners)[0][0])


async def together(*calls: Awaitable[object]) -> list[object]:
    return list(await asyncio.gather(*calls, return_exceptions=True))


def refused(answers: list[object]) -> int:
    """The number of members with an unknown outcome."""
    return sum(isinstance(answer, DatabaseUnavailable) for answer in answers)


@pytest.mark.parametrize("at", MOMENTS)
async def test_t4_of_a_group_in_doubt(
    behind: World, proxy: PostgresProxy, owners: list[str], at: Moment
) -> None:
    blobs = await asyncio.gather(*(behind.attempt(owner) for owner in owners))
    rule = proxy.arm("INSERT INTO files", at=at)
    answers = await together(*(behind.commit(blob) for blob in blobs))
    assert rule.reached.is_set()
    assert refused(answers) == 6
    if at != "race":
        assert count(behind, VISIBLE, owners) == (6 if at == "after" else 0)
    asked_again = await asyncio.gather(*(behind.commit(blob) for blob in blobs))
    assert [answer.file.owner_id for answer in asked_again] == owners
    assert count(behind, VISIBLE, owners) == 6
    usages = [await behind.usage.usage(owner) for owner in owners]
    assert {(usage.used_bytes, usage.file_count, usage.reserved_bytes) for usage in usages} == {(10, 1, 0)}
    told = behind.logins.rows("SELECT count(*) FROM events WHERE owner_id = ANY(%s)", owners)
    assert told == [(6,)]


@pytest.mark.parametrize("at", MOMENTS)
async def test_t1_of_a_group_in_doubt(
    behind: World, proxy: PostgresProxy, owners: list[str], at: Moment
) -> None:
    rule = proxy.arm("INSERT INTO blobs", at=at)
    answers = await together(*(behind.attempt(owner) for owner in owners))
    assert rule.reached.is_set()
    assert refused(answers) == 6
    if at != "race":
        assert count(behind, OPEN, owners) == (6 if at == "after" else 0)
    blobs = await asyncio.gather(*(behind.attempt(owner) for owner in owners))
    assert len({blob.id for blob in blobs}) == 6


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Awaitable[None]]], None]:
    """`between(failpoint, act)`: call `act` at that point, once."""

    def arm(point: str, act: Callable[[], Awaitable[None]]) -> None:
        left = [point]

        async def hit(name: str) -> None:
            if name in left:
                left.remove(name)
                await act()

        monkeypatch.setattr(failpoints, "armed", lambda: True)
        monkeypatch.setattr(failpoints, "hit", hit)

    return arm


def terminator(world: World) -> Callable[[], Awaitable[None]]:
    """Closes all connections of the service to this database."""

    async def terminate() -> None:
        await asyncio.to_thread(
            world.logins.rows,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'strongroom-metadata'",
        )

    return terminate


@pytest.mark.parametrize(("point", "committed"), [(groups.T4_BEFORE_COMMIT, 0), (groups.T4_AFTER_COMMIT, 6)])
async def test_the_connection_is_ended_within_t4(
    own_world: World,
    owners: list[str],
    between: Callable[[str, Callable[[], Awaitable[None]]], None],
    point: str,
    committed: int,
) -> None:
    world = own_world
    blobs = await asyncio.gather(*(world.attempt(owner) for owner in owners))
    between(point, terminator(world))
    answers = await together(*(world.commit(blob) for blob in blobs))
    assert count(world, VISIBLE, owners) == committed
    assert refused(answers) == 6 - committed
    assert [answer.file.owner_id for answer in await asyncio.gather(*map(world.commit, blobs))] == owners
    assert {world.state(blob) for blob in blobs} == {blob_pb2.BLOB_STATE_COMMITTED}


@pytest.mark.parametrize(("point", "committed"), [(groups.T1_BEFORE_COMMIT, 0), (groups.T1_AFTER_COMMIT, 6)])
async def test_the_connection_is_ended_within_t1(
    own_world: World,
    owners: list[str],
    between: Callable[[str, Callable[[], Awaitable[None]]], None],
    point: str,
    committed: int,
) -> None:
    between(point, terminator(own_world))
    answers = await together(*(own_world.attempt(owner) for owner in owners))
    assert count(own_world, OPEN, owners) == committed
    assert refused(answers) == 6 - committed
    assert await own_world.attempt(owners[0])


async def test_what_fails_before_the_commit_is_tried_alone_once(
    own_world: World,
    owners: list[str],
    between: Callable[[str, Callable[[], Awaitable[None]]], None],
) -> None:
    blobs = await asyncio.gather(*(own_world.attempt(owner) for owner in owners))

    async def fail() -> None:
        raise RuntimeError("between the rows and COMMIT")

    between(groups.T4_BEFORE_COMMIT, fail)
    answers = await asyncio.gather(*map(own_world.commit, blobs))
    assert [answer.file.owner_id for answer in answers] == owners
    assert count(own_world, VISIBLE, owners) == 6


async def test_connections_that_died_in_the_pool_put_nobody_in_doubt(
    module_database: Logins, owners: list[str]
) -> None:
    async with make_world(module_database, min_size=4, max_size=4) as world:
        blobs = await asyncio.gather(*(world.attempt(owner) for owner in owners))
        await terminator(world)()
        answers = await asyncio.gather(*map(world.commit, blobs))
        assert [answer.file.owner_id for answer in answers] == owners
        await terminator(world)()
        assert len(await asyncio.gather(*map(world.attempt, owners))) == 6
