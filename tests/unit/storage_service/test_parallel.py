"""Doing the same work on many items at once."""

from __future__ import annotations

import asyncio

import pytest

from storage_service.parallel import in_parallel


async def test_results_in_order_and_so_many_at_once() -> None:
    running = most = 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - item):  # the first one ends last
            await asyncio.sleep(0)
        running -= 1
        return item * 2

    assert await in_parallel(range(9), work, at_once=3) == [item * 2 for item in range(9)]
    assert most == 3


async def test_the_first_error_cancels_the_others() -> None:
    cancelled = []

    async def work(item: int) -> None:
        try:
            await asyncio.sleep(0 if item == 1 else 3600)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        await in_parallel(range(3), work)
    assert sorted(cancelled) == [0, 2]
