from __future__ import annotations

import asyncio
from functools import partial

import pytest

from storage_service.objectstore.errors import StoreTimeout, StoreUnavailable
from storage_service.objectstore.s3.calls import RetryPolicy
from storage_service.objectstore.s3.liveness import TRIAL_SECONDS, Liveness


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def waiting(liveness: Liveness, *, changes: bool) -> None:
    await liveness.watched("PutObject", partial(asyncio.sleep, 60), changes=changes)


async def test_whoever_waits_is_told_once_nobody_is_answered() -> None:
    clock = Clock()
    liveness = Liveness(4.0, clock)
    tasks = [asyncio.create_task(waiting(liveness, changes=changes)) for changes in (True, False)]
    await asyncio.sleep(0)
    clock.now += 3
    liveness.unanswered()
    assert not liveness.away
    clock.now += 2
    liveness.unanswered()
    failed = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(error), error.outcome_unknown) for error in failed if isinstance(error, StoreTimeout)] == [
        (StoreTimeout, True),
        (StoreTimeout, False),
    ]


async def test_while_it_is_away_one_call_a_second_goes_through_and_an_answer_ends_it() -> None:
    clock = Clock()
    liveness = Liveness(4.0, clock)
    clock.now += 5
    liveness.unanswered()

    async def away() -> bool:
        return liveness.away

    async def never() -> None:
        raise AssertionError("it went through")

    async def answered() -> None:
        liveness.answered()

    assert await liveness.watched("HeadObject", away, changes=False)
    with pytest.raises(StoreTimeout):
        await liveness.watched("HeadObject", never, changes=False)
    clock.now += TRIAL_SECONDS
    await liveness.watched("HeadObject", answered, changes=False)
    for _ in range(3):
        assert not await liveness.watched("HeadObject", away, changes=False)


async def test_who_is_cancelled_or_times_out_otherwise_keeps_the_error() -> None:
    liveness = Liveness(4.0)
    task = asyncio.create_task(waiting(liveness, changes=True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("silences", "tries"), [((4.5, 4.5, 4.5), 2), ((0.1, 0.1, 0.1), 4), ((6.0, 0.1), 1)])
async def test_all_tries_together_have_one_time_limit(silences: tuple[float, ...], tries: int) -> None:
    clock, made = Clock(), 0

    async def attempt() -> None:
        nonlocal made
        clock.now += silences[min(made, len(silences) - 1)]
        made += 1
        raise StoreUnavailable

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    began = clock.now
    with pytest.raises(StoreUnavailable):
        await RetryPolicy(4, try_seconds=4.5, sleep=sleep, clock=clock).run(attempt)
    assert made == tries
    assert clock.now - began < 10


async def test_the_time_in_which_a_body_moves_is_not_waiting() -> None:
    clock, made = Clock(), 0

    async def attempt() -> str:
        nonlocal made
        made += 1
        clock.now += 600
        if made < 3:
            error = StoreUnavailable()
            error.waited = 0.5
            raise error
        return "done"

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    assert await RetryPolicy(4, try_seconds=4.5, sleep=sleep, clock=clock).run(attempt) == "done"
