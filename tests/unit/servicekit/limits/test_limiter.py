"""The answers of the limiter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from servicekit.limits import CapSettings, Hold, Limiter
from servicekit.limits.limiter import IMPORTS, SESSIONS_AT_ONCE, TRANSFERS, WATCHES
from servicekit.limits.metrics import LimitMetrics
from strongroom.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None, **settings: Any) -> Limiter:
    found = CapSettings(**settings)
    return Limiter(found, LimitMetrics(CollectorRegistry()), clock=clock or Clock())


async def refused(limiter: Limiter, user: str, times: int) -> int:
    found = [error async for error in errors(limiter, user, times)]
    assert all(error.retry_after for error in found)
    return len(found)


async def errors(limiter: Limiter, user: str, times: int) -> AsyncIterator[RateLimited]:
    for _ in range(times):
        try:
            await limiter.request(user)
        except RateLimited as error:
            yield error


async def test_a_user_alone_may_use_the_machine_and_with_others_a_share() -> None:
    clock = Clock()
    limiter = make(
        clock,
        user_requests_burst=50,
        user_requests_per_second=10,
        user_share_burst=5,
        user_share_per_second=1,
    )
    assert await refused(limiter, "ada", 20) == 0
    await limiter.request("bob")
    assert await refused(limiter, "ada", 9) == 4
    assert await refused(limiter, "bob", 4) == 0
    clock.now += 2.5
    assert await refused(limiter, "ada", 5) == 0
    last = [error async for error in errors(limiter, "ada", 60)][-1]
    assert last.metadata == {"limit": "user_requests"}


async def test_zero_turns_a_limit_off() -> None:
    limiter = make(user_requests_per_second=0, user_share_per_second=0, user_watches=0)
    await limiter.request("bob")
    assert await refused(limiter, "ada", 3000) == 0
    assert await limiter.hold(WATCHES, "ada") is None


@pytest.mark.parametrize("name", [WATCHES, TRANSFERS, IMPORTS])
async def test_places_are_per_user_and_come_back_once(name: str) -> None:
    limiter = make(None, **{name: 2})
    first, second = [await limiter.hold(name, "ada") for _ in range(2)]
    with pytest.raises(RateLimited, match="you may have 2") as caught:
        await limiter.hold(name, "ada")
    assert (caught.value.metadata, bool(caught.value.retry_after)) == ({"limit": name}, True)
    assert isinstance(await limiter.hold(name, "bob"), Hold)
    assert isinstance(first, Hold)
    first.release()
    first.release()
    assert isinstance(await limiter.hold(name, "ada"), Hold)
    with pytest.raises(RateLimited):
        await limiter.hold(name, "ada")
    assert isinstance(second, Hold)


async def test_the_hundredth_failed_sign_in_of_a_minute_is_refused() -> None:
    limiter = make()
    for _ in range(99):
        await limiter.failed_sign_in("192.0.2.1")
    with pytest.raises(RateLimited, match="failed sign-ins a minute"):
        await limiter.failed_sign_in("192.0.2.1")
    await limiter.failed_sign_in("192.0.2.2")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, all of them at the same moment."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(round(seconds, 3))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return found


async def test_a_flood_that_goes_on_is_slowed(waits: list[float]) -> None:
    limiter = make(clock := Clock(), user_requests_burst=1, user_requests_per_second=1)
    assert await refused(limiter, "ada", 41) == 40
    assert waits == [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]  # one turn after the other
    assert await refused(limiter, "bob", 3) == 2
    assert len(waits) == 8
    clock.now += 5
    assert await refused(limiter, "ada", 33) == 32
    assert len(waits) == 8


async def test_what_is_let_in_between_forgives_no_refusal(waits: list[float]) -> None:
    limiter = make(clock := Clock(), user_requests_burst=1, user_requests_per_second=100)
    for _ in range(20):
        clock.now += 0.011
        assert await refused(limiter, "ada", 3) == 2
    assert len(waits) >= 5


async def test_no_refusal_comes_later_than_two_seconds(waits: list[float]) -> None:
    limiter = make(user_requests_burst=1, user_requests_per_second=1)
    await refused(limiter, "ada", 200)
    assert max(waits) == waits[-1] == 2.0


@pytest.mark.parametrize("kind", ["session", "imports"])
async def test_who_was_refused_behind_the_door_waits_before_the_next_question(
    waits: list[float], kind: str
) -> None:
    limiter = make()
    for _ in range(32):
        limiter.refused_behind("ada")
    await getattr(limiter, kind)("ada")
    assert waits == []
    for _ in range(3):
        limiter.refused_behind("ada")
    await getattr(limiter, kind)("ada")
    await getattr(limiter, kind)("bob")
    assert waits == [0.05]


async def test_uploads_are_begun_a_few_at_a_time() -> None:
    limiter = make()
    first = [await limiter.session("ada") for _ in range(SESSIONS_AT_ONCE)]
    waiting = asyncio.create_task(limiter.session("ada"))
    (await limiter.session("bob")).release()
    assert not waiting.done()
    first[0].release()
    async with asyncio.timeout(60):
        (await waiting).release()


async def test_refusals_are_counted_by_limit_without_a_name_of_anybody() -> None:
    registry = CollectorRegistry()
    limiter = Limiter(CapSettings(user_transfers=1), LimitMetrics(registry))
    await limiter.hold(TRANSFERS, "ada")
    for _ in range(2):
        with pytest.raises(RateLimited):
            await limiter.hold(TRANSFERS, "ada")
    text = generate_latest(registry).decode()
    assert 'limit_refusals_total{limit="user_transfers"} 2.0' in text
    assert "ada" not in text
    assert "limits_shared_up" not in text


async def test_a_request_costs_microseconds() -> None:
    limiter = make()
    began = time.process_time()
    for number in range(1000):
        await limiter.request("ada" if number % 2 else "bob")
        hold = await limiter.hold(TRANSFERS, "ada")
        if hold is not None:
            hold.release()
        if number % 150 == 149:
            limiter = make()
    assert (time.process_time() - began) / 1000 < 300e-6  # some 4 µs on a quiet machine
