"""Stored objects for a ZIP: which are fetched ahead, and how long they count against the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from storage_service.attempts.budget import ByteBudget
from storage_service.projects.archives.sources import AHEAD, ArchiveSource, StoredFile
from storage_service.reading.committed import Committed, CommittedReader

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
SIZE = 1000


class Objects:
    """A store in which every object has the same bytes."""

    @asynccontextmanager
    async def open(self, committed: Committed) -> AsyncIterator[AsyncIterator[bytes]]:
        async def body() -> AsyncIterator[bytes]:
            yield b"x" * SIZE

        yield body()


async def stored(count: int) -> AsyncIterator[StoredFile]:
    for number in range(count):
        yield StoredFile(str(number), cast("Committed", SimpleNamespace(size=SIZE)), MOMENT, compress=False)


async def test_a_body_counts_until_the_next_one_is_asked_for() -> None:
    memory = ByteBudget(100 * SIZE)
    source = ArchiveSource(cast("CommittedReader", Objects()), memory)
    async with source.entries(stored(20)) as entries:
        first = await anext(entries)
        assert first.fetched
        assert memory.used == (AHEAD + 1) * SIZE  # including the one being written
        assert b"".join([chunk async for chunk in first.body()]) == b"x" * SIZE
        assert len([entry async for entry in entries if entry.fetched]) == 19
        assert memory.used == 0


async def test_half_of_the_memory_is_not_for_fetching_ahead() -> None:
    memory = ByteBudget(10 * SIZE)
    source = ArchiveSource(cast("CommittedReader", Objects()), memory)
    async with source.entries(stored(20)) as entries:
        first = await anext(entries)
        assert memory.used == 5 * SIZE
        fetched = [first.fetched, *[entry.fetched async for entry in entries]]
    assert (len(fetched), 5 <= sum(fetched) <= 20, memory.used) == (20, True, 0)


async def test_who_is_cancelled_while_leaving_leaves_nothing_in_the_memory() -> None:
    may_end = asyncio.Event()

    class Slow(Objects):
        @asynccontextmanager
        async def open(self, committed: Committed) -> AsyncIterator[AsyncIterator[bytes]]:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await may_end.wait()  # the time in which its thread releases the connection
                raise
            yield _nothing()

    memory = ByteBudget(100 * SIZE)
    source = ArchiveSource(cast("CommittedReader", Slow()), memory)

    async def read() -> None:
        async with source.entries(stored(20)) as entries:
            await anext(entries)

    reading = asyncio.create_task(read())
    for _ in range(2):  # first the client leaves, then the server cancels what is left
        await asyncio.sleep(0.01)
        assert memory.used == (AHEAD + 1) * SIZE
        reading.cancel()
    await asyncio.wait([reading])
    may_end.set()
    async with asyncio.timeout(60):
        while memory.used:  # noqa: ASYNC110 - its tasks are not awaited any more
            await asyncio.sleep(0)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""
