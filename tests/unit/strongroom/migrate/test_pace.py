"""Rates hold over all jobs together; what one was told to wait, all wait."""

from __future__ import annotations

import asyncio

from strongroom.errors import RateLimited, ServiceUnavailable
from strongroom.migrate.pace import Pace


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
