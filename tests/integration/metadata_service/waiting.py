"""Detects transactions that wait for each other's locks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg.rows import TupleRow

from tests.integration.metadata_service.world import World

T = TypeVar("T")
Holder = psycopg.Connection[TupleRow]


@contextmanager
def held(world: World, lock: str, owner: str) -> Iterator[tuple[Holder, Callable[[], bool]]]:
    """A transaction that holds the lock taken by the statement ``lock`` for ``owner`` until the block ends,
    and a function that returns whether another transaction waits for it.
    """
    dsn = world.logins.superuser
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn, autocommit=True) as beside:
        holder.execute(lock, (owner,))
        pid = holder.info.backend_pid
        waits = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        yield holder, lambda: beside.execute(waits, (pid,)).fetchone() is not None


async def waited(task: asyncio.Task[T], waits: Callable[[], bool]) -> None:
    """Wait until the task waits for the lock."""
    async with asyncio.timeout(60):
        while not waits():
            assert not task.done(), "it did not wait"
            await asyncio.sleep(0.01)
