"""Searches take turns, so that frequent ones don't lock others out of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from metadata_service.db.database import Database, Row, Scope
from metadata_service.db.paging import PageTokens
from metadata_service.files.filters import Filter, Folding
from metadata_service.files.newest_first import SHORT_SKIP, Detail, NewestFirst, PageRequest
from metadata_service.files.search import Search, Searcher
from metadata_service.files.search_turns import MOST_WAITING, SearchTurns
from strongroom.errors import Overloaded, RateLimited, StrongroomError

TOKENS = PageTokens(b"s" * 32)


class SlowDatabase:
    """Counts the transactions in progress; each ends when `go` is set."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.go = asyncio.Event()

    async def transact(self, scope: Scope, work: Callable[..., Any], **_: float) -> list[Row]:
        return await self.read(scope, "")

    async def read_list(self, scope: Scope, query: str, params: object = ()) -> list[Row]:
        return await self.read(scope, query, params)

    async def read(self, scope: Scope, query: str, params: object = ()) -> list[Row]:
        if "pg_collation" in query:
            return []
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        return [(0,)] if "count(" in query else []


class Doors:
    """All ways to search, on one database and with the same turns."""

    def __init__(self, turns: SearchTurns) -> None:
        self.database = SlowDatabase()
        database = cast("Database", self.database)
        folding = Folding(database)
        self._searcher = Searcher(database, TOKENS, folding, turns)
        self._pages = NewestFirst(database, TOKENS, folding, turns)

    async def ask(self, owner: str, number: int) -> None:
        detail, wanted = Detail("generations", owner), Filter("word", settings={"a": "1"})
        if number % 3 == 0:
            await self._searcher.page(Search(owner, filter=wanted), 10, "")
        elif number % 3 == 1:
            await self._pages.filtered(detail, PageRequest(10), wanted)
        else:
            await self._pages.page(detail, PageRequest(10, skip=SHORT_SKIP + 1))


async def test_one_of_an_owner_at_a_time_and_a_few_wait() -> None:
    doors = Doors(SearchTurns())
    tasks = [asyncio.create_task(doors.ask("ada", number)) for number in range(MOST_WAITING + 4)]
    done, _ = await asyncio.wait(tasks, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 3:
        more, _ = await asyncio.wait(set(tasks) - done, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    for task in done:
        error = task.exception()
        assert isinstance(error, RateLimited)
        assert (error.retry_after, error.metadata["limit"]) == (1.0, "user_searches")
    assert doors.database.most == 1
    doors.database.go.set()
    await asyncio.gather(*(set(tasks) - done))
    assert doors.database.most == 1


async def test_owners_together_have_a_part_of_the_connections() -> None:
    doors = Doors(SearchTurns(16))
    tasks = [asyncio.create_task(doors.ask(f"owner {number}", number)) for number in range(12)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert doors.database.running == 4
    plain = asyncio.create_task(doors._pages.page(Detail("generations", "eve"), PageRequest(10)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert doors.database.running == 5  # a list without a filter does not wait
    doors.database.go.set()
    await asyncio.gather(*tasks, plain)
    assert doors.database.most == 5


async def test_who_waits_too_long_is_told_when_to_ask_again() -> None:
    turns = SearchTurns(1, wait_seconds=0.01)
    async with turns.turn("ada"):
        kinds: dict[str, type[StrongroomError]] = {"ada": RateLimited, "bob": Overloaded}
        for owner, kind in kinds.items():
            with pytest.raises(kind) as refused:
                async with turns.turn(owner):
                    pass
            assert refused.value.retry_after == 1.0
    async with turns.turn("bob") as free:
        assert free is None


async def test_who_gives_up_leaves_its_place() -> None:
    turns = SearchTurns()
    async with turns.turn("ada"):
        for _ in range(3 * MOST_WAITING):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0), turns.turn("ada"):
                    raise AssertionError("there was no turn to be had")
    async with turns.turn("ada") as free:
        assert free is None


def test_texts_and_settings_are_read_once_for_a_row() -> None:
    wanted = Filter("a b c d e f g h i j", settings={f"name{number}": "1" for number in range(8)})
    conditions, params = wanted.conditions("lower({text})")
    sql = " ".join(conditions)
    assert (sql.count("SELECT prompt"), sql.count("settings_json::json"), sql.count("!~")) == (1, 1, 1)
    assert (sql.count("position("), sql.count("->>")) == (10, 8)
    assert {"word9", "setting7", "value7", "unreadable"} <= params.keys()
