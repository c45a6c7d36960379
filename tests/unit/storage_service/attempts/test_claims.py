"""A client's body takes memory as it arrives, and no body can block all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from storage_service.attempts import budget as module
from storage_service.attempts.budget import BudgetTooSmall, ByteBudget, Claim, Floor
from storage_service.attempts.interruption import Interruptible
from strongroom.errors import DeadlineExceeded, Overloaded, StrongroomError

PART = 80
TOTAL = 10 * PART


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.05)
    monkeypatch.setattr(module, "PRESSURE_RATE", 40)


class Body:
    """A client's body of ``size`` bytes, ``chunk`` at a time, with a pause before each."""

    def __init__(self, budget: ByteBudget, owner: str, size: int = PART, *, chunk: int = 8, pause: float = 0):
        self.budget, self.owner, self.size = budget, owner, size
        self.chunk, self.pause = chunk, pause
        self.claim: Claim | None = None
        self.error: StrongroomError | None = None
        self.task = asyncio.create_task(self._run())

    @property
    def held(self) -> int:
        return self.claim.held if self.claim is not None else 0

    async def _run(self) -> None:
        reading = Interruptible()
        claim = self.claim = self.budget.claim(self.size, self.owner, reading)
        try:
            async with reading:
                for _ in range(0, self.size, self.chunk):
                    await asyncio.sleep(self.pause)
                    await claim.take(self.chunk)
            claim.seal()
            await asyncio.sleep(0.01)  # being sent to S3
        except StrongroomError as error:
            self.error = error
        finally:
            claim.release()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        for _ in iter(holds, True):
            await asyncio.sleep(0.005)


async def end(*bodies: Body) -> None:
    for body in bodies:
        body.task.cancel()
    await asyncio.gather(*(body.task for body in bodies), return_exceptions=True)


async def test_slow_bodies_hold_what_they_have_brought_and_nobody_waits() -> None:
    budget = ByteBudget(TOTAL)
    slow = [Body(budget, "slow", chunk=1, pause=10) for _ in range(100)]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        for owner in ("a", "b", "c"):
            await Body(budget, owner).task
    assert budget.used == 0
    await end(*slow)


@pytest.mark.parametrize("owners", [1, 20])
async def test_slow_bodies_that_have_filled_the_memory_give_way(owners: int) -> None:
    budget = ByteBudget(TOTAL)
    slow = [Body(budget, f"slow-{n % owners}", chunk=PART // 2, pause=0.1 * (n > 12)) for n in range(40)]
    await until(lambda: budget.waiting > 0)
    for body in slow:
        body.pause = 30
    healthy = Body(budget, "healthy")
    async with asyncio.timeout(60):
        await healthy.task
    assert healthy.error is None
    cut = [body.error for body in slow if body.error is not None]
    assert all(isinstance(error, Overloaded) and error.retry_after for error in cut)
    await end(*slow)
    assert (budget.used, budget.waiting) == (0, 0)


async def test_many_quick_bodies_all_end_without_one_being_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they need 30 times the budget; each could fill a part alone."""
    monkeypatch.setattr(module, "PRESSURE_RATE", 0)  # their speed depends on this machine
    budget = ByteBudget(TOTAL)
    bodies = [Body(budget, f"user-{n % 7}") for n in range(300)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(body.task for body in bodies))
    assert [body.error for body in bodies if body.error] == []
    assert budget.used == 0


async def test_the_owner_that_holds_least_is_next() -> None:
    budget = ByteBudget(TOTAL)
    greedy = [Body(budget, "greedy", pause=0.001) for _ in range(60)]
    await until(lambda: budget.waiting > 0)
    ends: list[str] = []
    modest = Body(budget, "modest")
    for body in (*greedy, modest):
        body.task.add_done_callback(lambda _, name=body.owner: ends.append(name))  # type: ignore[misc]
    async with asyncio.timeout(60):
        await modest.task
        assert ends.index("modest") < 40
        await asyncio.gather(*(body.task for body in greedy))


async def test_a_burst_that_stalls_gives_way_too() -> None:
    budget = ByteBudget(TOTAL)
    stalled = [Body(budget, "stalled", chunk=PART // 2, size=PART) for _ in range(40)]
    for body in stalled:
        body.pause = 0
    await until(lambda: budget.used > 0)
    for body in stalled:
        body.pause = 30
    await asyncio.sleep(0.2)  # longer than the window in which they were quick
    healthy = [Body(budget, f"healthy-{n}") for n in range(3)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(body.task for body in healthy))
    assert [body.error for body in healthy] == [None] * 3
    await end(*stalled)


async def test_a_body_below_the_floor_is_ended_though_there_is_room() -> None:
    budget = ByteBudget(TOTAL, Floor(rate=20, window=0.3))
    slow = Body(budget, "slow", chunk=1, pause=0.2)
    quick = Body(
        budget, "quick", size=800, chunk=100, pause=0.1
    )  # fifty times the floor, even on a busy machine
    async with asyncio.timeout(60):
        await slow.task
        await quick.task
    assert isinstance(slow.error, DeadlineExceeded)
    assert quick.error is None


async def test_time_in_which_memory_is_waited_for_is_not_the_clients() -> None:
    budget = ByteBudget(TOTAL, Floor(rate=1000, window=0.1))
    await budget.acquire(TOTAL)
    waiting = Body(budget, "alice")
    await asyncio.sleep(0.3)
    assert not waiting.task.done()
    budget.release(TOTAL)
    await waiting.task
    assert waiting.error is None


async def test_bodies_that_all_wait_for_each_other_do_not_wait_for_ever() -> None:
    budget = ByteBudget(TOTAL)
    made = [(budget.claim(PART), Interruptible()) for _ in range(3)]
    for claim, _ in made:
        await claim.take(1)
    await budget.acquire(TOTAL - 3)
    order: list[int] = []

    async def fill(number: int, claim: Claim) -> None:
        await claim.take(PART - 1)
        order.append(number)
        claim.release()

    tasks = [asyncio.create_task(fill(number, claim)) for number, (claim, _) in enumerate(made)]
    await asyncio.sleep(0.05)
    assert order == []
    budget.release(TOTAL - 3)
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    assert (sorted(order), budget.used) == ([0, 1, 2], 0)


async def test_a_claim_cancelled_while_it_waits_leaves_nothing() -> None:
    budget = ByteBudget(TOTAL)
    await budget.acquire(TOTAL)
    bodies = [Body(budget, "alice") for _ in range(3)]
    await until(lambda: budget.waiting == 3)
    await end(*bodies)
    budget.release(TOTAL)
    assert (budget.used, budget.waiting) == (0, 0)


async def test_what_a_claim_detaches_stays_reserved() -> None:
    budget = ByteBudget(TOTAL)
    claim = budget.claim(PART, "alice")
    await claim.take(30)
    assert claim.detach() == 30
    claim.release()
    assert budget.used == 30
    budget.release(30)


async def test_a_claim_on_more_than_there_ever_is() -> None:
    budget = ByteBudget(TOTAL)
    with pytest.raises(BudgetTooSmall):
        budget.claim(TOTAL + 1)
    with pytest.raises(BudgetTooSmall):
        await budget.claim(1).take(TOTAL + 1)


async def test_interruptions_reach_only_the_block() -> None:
    reading: Any = Interruptible()
    assert not reading.interrupt(Overloaded("no"))

    async def interrupted() -> None:
        async with reading:
            assert reading.interrupt(Overloaded("give way"))
            assert not reading.interrupt(Overloaded("again"))
            await asyncio.sleep(10)

    with pytest.raises(Overloaded, match="give way"):
        await interrupted()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
