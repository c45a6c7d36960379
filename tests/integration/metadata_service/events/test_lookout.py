"""Waiting for events costs no queries, and misses none that were not notified."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from metadata_service.config import PoolOptions
from metadata_service.db.database import Database, Pool
from metadata_service.db.pool import make_pool
from metadata_service.events import horizon, lookout
from metadata_service.events.lookout import Lookout, Waiter
from metadata_service.events.reader import EventReader, Position
from servicekit.background import Heartbeats
from strongroom.errors import DatabaseUnavailable
from tests.databases import Logins
from tests.integration.metadata_service.events.settling import settled
from tests.integration.metadata_service.events.test_reader import next_event, watching
from tests.integration.metadata_service.serving import serve

EVENT = "INSERT INTO events (owner_id, type, subject_id, payload) VALUES (%s, 2, 's', '{}')"


@pytest.fixture
async def pool(module_database: Logins) -> AsyncIterator[Pool]:
    made = make_pool(module_database.app, PoolOptions())
    await made.open()
    yield made
    await made.close()


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Records all queries."""
    queries: list[str] = []
    read = Database.read

    async def counting(self: Database, scope: Any, query: str, params: Any = ()) -> Any:
        queries.append(query)
        return await read(self, scope, query, params)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "read", counting)
        yield queries


async def test_one_query_finds_the_owners_with_news(
    pool: Pool, module_database: Logins, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "LOOK_SECONDS", 0.0)  # tests of other databases have transactions, too
    reader = EventReader(Database(pool), 3600)
    owners = [f"{owner}-{number}" for number in range(20)]
    waiters = [Waiter(name, await reader.start(name, "")) for name in owners]
    behind = Waiter(owners[3], Position(3, 0, waiters[0].position.at))
    for number in (3, 7, 7, 19):
        module_database.change(EVENT, owners[number])
    await settled(pool)
    found = Lookout(reader)
    with (
        counted(monkeypatch) as queries,
        ExitStack() as stack,
    ):
        for waiter in (*waiters, behind):
            stack.enter_context(found.waiting(waiter))
        await found.look()
    assert len([query for query in queries if "pg_locks" not in query]) == 1
    assert [n for n, waiter in enumerate(waiters) if waiter.woken.is_set()] == [3, 7, 19]
    assert behind.woken.is_set()
    # A waiter that has read them is not woken again.
    events, position = await reader.after(owners[7], waiters[7].position)
    assert len(events) == 2
    again = Waiter(owners[7], position)
    with found.waiting(again):
        await found.look()
    assert not again.woken.is_set()


async def test_nobody_waiting_costs_no_query(pool: Pool) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, counted(monkeypatch) as queries:
        await Lookout(EventReader(Database(pool), 3600)).look()
    assert queries == []


async def test_idle_watches_make_no_queries_of_their_own(
    owner: str, module_database: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.2)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(module_database))
        calls = [
            await stack.enter_async_context(watching(server.user(f"{owner}-{number % 6}")))
            for number in range(40)
        ]
        with counted(monkeypatch) as queries:
            began = time.monotonic()
            await asyncio.sleep(1)
            rounds = (time.monotonic() - began) / 0.2
        assert len(queries) <= rounds + 41  # the first read of each may still be running
        with counted(monkeypatch) as queries:
            began = time.monotonic()
            async with asyncio.timeout(60):
                while len(queries) < 3:  # noqa: ASYNC110 - counted by a patch
                    await asyncio.sleep(0.05)
            rounds = (time.monotonic() - began) / 0.2
        assert len(queries) <= rounds + 3
        module_database.change(EVENT, f"{owner}-2")  # nobody is notified
        for number, call in enumerate(calls):
            if number % 6 == 2:
                assert (await next_event(call)).subject_id == "s"


async def test_looking_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.01)
    rounds = asyncio.Event()
    tries = 0

    class Failing(EventReader):
        def __init__(self) -> None:
            """Reads nothing."""

        async def behind(self, places: Any) -> list[int]:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise DatabaseUnavailable("away")
            if tries == 2:
                raise ValueError("a bug")
            rounds.set()
            return [0]

    found = Lookout(Failing())
    waiter = Waiter("alice", Position(1, 0, datetime.fromtimestamp(0, UTC)))
    async with found.running(Heartbeats()):
        with found.waiting(waiter):
            async with asyncio.timeout(60):
                await rounds.wait()
                await waiter.woken.wait()
