"""Clients that are cancelled, die or run out of time in the middle of an upload: never a file, never a
leftover.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable

import grpc
import pytest

from tests.faults.cell import Cell
from tests.faults.client import PART
from tests.faults.cutting import Door, cut_form, cut_stream
from tests.forks import programs
from tests.stack import until

TRIES = 60
AT_ONCE = 16
STREAMS_PER_CLIENT = 20
LIFE_SECONDS = 120.0
_OUT_OF_TIME = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL)


def _cut_point(number: int) -> int:
    """Mostly in the first MiB; every tenth after a part or two; sometimes at the end of a part."""
    rng = random.Random(number)
    if number % 50 == 9:
        return PART * rng.choice((1, 2))
    if number % 10 == 9:
        return rng.randrange(PART, 2 * PART + PART // 2)
    return rng.choice((0, 1, rng.randrange(1 << 12), rng.randrange(1 << 20)))


async def _storm(one: Callable[[int], Awaitable[object]]) -> list[object]:
    """``one(n)`` for each n below TRIES, a few in parallel."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def bounded(number: int) -> object:
        async with slots:
            return await one(number)

    return await asyncio.gather(*(bounded(number) for number in range(TRIES)))


def _run(cell: Cell) -> int:
    """Start the services. Returns how many attempts there have been."""
    cell.run()
    return _attempts(cell)


def _attempts(cell: Cell) -> int:
    """How many attempts have had a row."""
    [(inserted,)] = cell.checker.query(
        "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'blobs' AND schemaname = 'public'"
    )
    return int(inserted)


def _nothing_is_left(cell: Cell, before: int) -> None:
    """Nobody has a file, attempt, object or multipart upload after everything has drained, although attempts
    were begun.
    """
    assert cell.checker.query("SELECT owner_id, key FROM files") == []
    until("begun attempts are counted", lambda: _attempts(cell) > before)
    cell.checker.wait_drained()
    assert cell.checker.query("SELECT owner_id, key FROM files") == []
    assert cell.checker.query("SELECT owner_id, key FROM blobs") == []
    assert cell.checker.problems() == []


async def test_cancelled_streams(cell: Cell) -> None:
    before = _run(cell)

    async def one(number: int) -> grpc.StatusCode:
        return await cut_stream(
            cell.storage_address, cell.token(f"rc-{number}"), f"r-{number}", _cut_point(number)
        )

    codes = await _storm(one)
    assert set(codes) == {grpc.StatusCode.CANCELLED}
    await asyncio.to_thread(_nothing_is_left, cell, before)


async def test_streams_out_of_time(cell: Cell) -> None:
    before = _run(cell)

    async def one(number: int) -> grpc.StatusCode:
        seconds = 0.02 + 0.8 * random.Random(number).random() ** 3  # mostly early
        token = cell.token(f"rd-{number}")
        return await cut_stream(cell.storage_address, token, f"r-{number}", 1 << 30, seconds=seconds)

    codes = await _storm(one)
    # grpc.aio itself returns INTERNAL for a write that meets the end of its call
    assert {grpc.StatusCode.DEADLINE_EXCEEDED} <= set(codes) <= {*_OUT_OF_TIME}
    await asyncio.to_thread(_nothing_is_left, cell, before)


async def test_cut_forms(cell: Cell) -> None:
    before = _run(cell)
    address = cell.url.removeprefix("http://")

    async def one(number: int) -> None:
        whole = number % 4 == 0  # every byte of the file, but not the form's end
        await cut_form(address, cell.token(f"hc-{number}"), f"r-{number}", _cut_point(number), whole=whole)

    await _storm(one)
    await asyncio.to_thread(_nothing_is_left, cell, before)


@pytest.mark.parametrize("door", ["grpc", "http"])
def test_killed_clients(cell: Cell, door: Door, forking: None) -> None:
    before = _run(cell)
    address = cell.storage_address if door == "grpc" else cell.url.removeprefix("http://")
    for client in range(TRIES // STREAMS_PER_CLIENT):
        tokens = [cell.token(f"{door}-{client}-{number}") for number in range(STREAMS_PER_CLIENT)]
        _run_and_kill(door, address, tokens, seconds=random.Random(client).uniform(0.1, 0.9))
    _nothing_is_left(cell, before)


def _run_and_kill(door: Door, address: str, tokens: list[str], seconds: float) -> None:
    argv = ["tests.faults.cutting", door, address, str(LIFE_SECONDS), *tokens]
    client = programs.start(argv, os.environ)
    try:
        until("the client streams", lambda: client.printed() == "streaming\n")
        time.sleep(seconds)
        assert client.child.poll() is None, f"the client ended by itself: {client.errors.read_text()}"
    finally:
        client.end()
