"""Rates apply to all jobs together. When one job has to wait, all wait, and fewer work in parallel."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.errors import ObjectStoreThrottled, Overloaded, RateLimited, ServiceUnavailable
from strongroom.migrate.pace import PATIENCE, Pace


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace(time: Time, *, size: int | None = None, requests: float | None = None) -> Pace:
    return Pace(size, requests, clock=time.clock, sleep=time.sleep)


async def test_bytes_a_second() -> None:
    time = Time()
    slow = pace(time, size=1000)
    for _ in range(5):
        await slow.bytes(500)
    assert time.now == 102.0  # the first 500 go at once


async def test_requests_a_second_and_idle_time_is_not_caught_up() -> None:
    time = Time()
    slow = pace(time, requests=4)
    for _ in range(5):
        await slow.request()
    assert time.now == 101.0
    time.now += 60
    for _ in range(5):
        await slow.request()
    assert time.now == 162.0


async def test_without_rates_nothing_waits() -> None:
    time = Time()
    fast = pace(time)
    await asyncio.gather(fast.bytes(1 << 40), *(fast.request() for _ in range(100)))
    assert time.now == 100.0


async def test_after_a_429_nobody_begins_before_its_time() -> None:
    time = Time()
    held = pace(time)
    held.hold(RateLimited("slower", retry_after=7), 7.5)
    held.hold(RateLimited("slower", retry_after=1), 1)
    await held.request()
    assert time.now == 107.5


async def test_other_failures_hold_nobody_else() -> None:
    time = Time()
    held = pace(time)
    held.hold(ServiceUnavailable("away"), 30)
    await held.request()
    assert time.now == 100.0


class Service:
    """A service with a number of places. It refuses callers that find none."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.busy = 0
        self.refused = 0

    async def serve(self) -> str:
        if self.busy >= self.places:
            self.refused += 1
            raise RateLimited("Too many at once", retry_after=1)
        self.busy += 1
        for _ in range(3):
            await asyncio.sleep(0)
        self.busy -= 1
        return "stored"


async def test_jobs_come_down_to_the_places_there_are_and_none_fails() -> None:
    time, service = Time(), Service(places=3)

    async def sleep(seconds: float) -> None:
        time.now += seconds
        await asyncio.sleep(0)

    found = Pace(jobs=16, clock=time.clock, sleep=sleep)

    async def job() -> list[str]:
        stored = []
        for _ in range(40):
            stored.append(await found.let_in(service.serve))
            time.now += 0.1
        return stored

    answers = await asyncio.gather(*(job() for _ in range(16)))
    assert [len(stored) for stored in answers] == [40] * 16
    assert service.refused < 16 * 40 / 4


async def test_a_refusal_halves_what_is_at_work_once_and_what_passes_brings_it_back() -> None:
    time = Time()
    held = Pace(jobs=32, clock=time.clock, sleep=time.sleep)
    for _ in range(8):  # sent together, refused together
        held.hold(Overloaded("full", retry_after=1), 1)
    assert held.width == 16
    time.now += 2
    held.hold(ObjectStoreThrottled("slow down"), 1)
    assert held.width == 8

    async def passes() -> None:
        """Let in."""

    for _ in range(25):
        time.now += 3
        await held.let_in(passes)
    assert held.width == 32


async def test_who_is_refused_alone_for_minutes_gives_up() -> None:
    time, service = Time(), Service(places=0)
    held = Pace(jobs=4, clock=time.clock, sleep=time.sleep)
    began = time.now
    with pytest.raises(RateLimited):
        await held.let_in(service.serve)
    assert time.now - began >= PATIENCE


async def test_what_a_job_raises_otherwise_is_raised_and_its_place_is_free_again() -> None:
    held = pace(Time())

    async def fails() -> None:
        raise ServiceUnavailable("away")

    for _ in range(100):
        with pytest.raises(ServiceUnavailable):
            await held.let_in(fails)
    assert held.width == 32
