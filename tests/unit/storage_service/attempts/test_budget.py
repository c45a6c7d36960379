from __future__ import annotations

import asyncio
import random

import pytest

from storage_service.attempts.budget import BudgetTooSmall, ByteBudget


async def test_waits_until_enough_is_free() -> None:
    budget = ByteBudget(10)
    await budget.acquire(8)
    waiting = asyncio.create_task(budget.acquire(5))
    await asyncio.sleep(0)
    assert (budget.used, budget.waiting) == (8, 1)
    budget.release(3)
    await waiting
    assert (budget.used, budget.waiting) == (10, 0)


async def test_a_small_request_never_overtakes_a_large_one() -> None:
    budget = ByteBudget(10)
    await budget.acquire(6)
    order: list[str] = []

    async def take(name: str, size: int) -> None:
        async with budget.reserve(size):
            order.append(name)

    tasks = [asyncio.create_task(take("large", 9))]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(take("small", 1)))
    await asyncio.sleep(0)
    assert not budget.try_acquire(1)
    assert order == []
    budget.release(6)
    await asyncio.gather(*tasks)
    assert order == ["large", "small"]
    assert budget.used == 0


async def test_cancelling_the_first_waiter_lets_the_next_one_in() -> None:
    budget = ByteBudget(10)
    await budget.acquire(6)
    large = asyncio.create_task(budget.acquire(9))
    await asyncio.sleep(0)
    small = asyncio.create_task(budget.acquire(4))
    await asyncio.sleep(0)
    large.cancel()
    await asyncio.wait_for(small, 60)
    assert budget.used == 10
    assert large.cancelled()


async def test_granted_and_cancelled_in_the_same_turn_gives_it_back() -> None:
    budget = ByteBudget(10)
    await budget.acquire(10)
    waiting = asyncio.create_task(budget.acquire(7))
    await asyncio.sleep(0)
    budget.release(10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (budget.used, budget.waiting) == (0, 0)


async def test_cancelled_then_granted_in_the_same_turn() -> None:
    budget = ByteBudget(10)
    await budget.acquire(10)
    waiting = asyncio.create_task(budget.acquire(7))
    await asyncio.sleep(0)
    waiting.cancel()
    budget.release(10)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (budget.used, budget.waiting) == (0, 0)


async def test_an_error_inside_gives_it_back() -> None:
    budget = ByteBudget(10)
    with pytest.raises(RuntimeError):
        async with budget.reserve(10):
            raise RuntimeError
    assert budget.used == 0


async def test_more_than_the_total_is_refused_at_once() -> None:
    budget = ByteBudget(10)
    with pytest.raises(BudgetTooSmall, match="raise the memory budget"):
        await budget.acquire(11)
    with pytest.raises(ValueError, match="negative"):
        budget.try_acquire(-1)


async def test_releasing_more_than_was_taken_is_an_error() -> None:
    budget = ByteBudget(10)
    with pytest.raises(ValueError, match="released"):
        budget.release(1)
    with pytest.raises(ValueError, match="at least 1"):
        ByteBudget(0)


async def test_hundreds_of_tasks_with_random_cancels_stay_inside_and_all_end() -> None:
    budget, rng = ByteBudget(1_000), random.Random(7)
    peak = 0

    async def worker(size: int) -> None:
        nonlocal peak
        async with budget.reserve(size):
            peak = max(peak, budget.used)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(worker(rng.randint(0, 1_000))) for _ in range(400)]
    for turn in range(400):
        if turn % 3 == 0:
            rng.choice(tasks).cancel()
        await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    assert (budget.used, budget.waiting) == (0, 0)
    assert 0 < peak <= budget.total
