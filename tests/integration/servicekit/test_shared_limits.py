"""Replicas share their counts in a real Redis; without it, each counts alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from servicekit.limits import CapSettings, Hold, Limiter
from servicekit.limits.limiter import TRANSFERS
from servicekit.limits.metrics import LimitMetrics
from servicekit.limits.redis_counts import RedisCounts
from strongroom.errors import RateLimited
from tests.integration.gateway.harness import Running, bearer, run_gateway
from tests.redis_server import RedisServer, running_redis

LIST = "/api/v1/s3/files"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


class Replica:
    """A limiter, as in a process of its own."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.registry = CollectorRegistry()
        metrics = LimitMetrics(self.registry)
        self.counts = RedisCounts(url, 2.0, metrics, lease_seconds=1.5, revive_seconds=0.1)
        self.limiter = Limiter(CapSettings(**settings), metrics, shared=self.counts)

    def up(self) -> bool:
        return "limits_shared_up 1.0" in generate_latest(self.registry).decode()

    async def vanish(self) -> None:
        """End as if killed: nothing is released or renewed."""
        if self.counts._renewing is not None:
            self.counts._renewing.cancel()
        self.counts._leases.clear()


@pytest.fixture
async def replicas(redis: RedisServer) -> AsyncIterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(**settings: Any) -> Replica:
        made.append(Replica(redis.url, **settings))
        return made[-1]

    yield make
    for one in made:
        await one.limiter.aclose()


async def admitted(user: str, times: int, *limiters: Limiter) -> int:
    count = 0
    for number in range(times):
        try:
            await limiters[number % len(limiters)].request(user)
            count += 1
        except RateLimited:
            continue
    return count


async def place(limiter: Limiter, user: str) -> Hold | None:
    try:
        return await limiter.hold(TRANSFERS, user)
    except RateLimited:
        return None


async def until(what: str, holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_a_rate_is_shared(replicas: Callable[..., Replica]) -> None:
    settings = {"user_requests_per_second": 0.01, "user_requests_burst": 10}
    one, other = replicas(**settings), replicas(**settings)
    assert await admitted("rate-ada", 16, one.limiter, other.limiter) == 10
    assert await admitted("rate-bob", 4, one.limiter, other.limiter) == 4


async def test_the_wait_that_is_told_is_true(replicas: Callable[..., Replica]) -> None:
    settings = {"user_requests_per_second": 1, "user_requests_burst": 2}
    one, other = replicas(**settings), replicas(**settings)
    assert await admitted("wait-ada", 2, one.limiter) == 2
    with pytest.raises(RateLimited) as refused:
        await other.limiter.request("wait-ada")
    assert 0 < (refused.value.retry_after or 0) <= 2.01
    await asyncio.sleep(refused.value.retry_after or 0)
    await other.limiter.request("wait-ada")


async def test_places_are_shared_and_given_back(replicas: Callable[..., Replica]) -> None:
    one, other = replicas(user_transfers=2), replicas(user_transfers=2)
    first, second = await place(one.limiter, "p-ada"), await place(other.limiter, "p-ada")
    assert first is not None
    assert second is not None
    assert await place(one.limiter, "p-ada") is None
    assert await place(other.limiter, "p-bob") is not None
    first.release()
    assert await place(one.limiter, "p-ada") is not None
    assert await place(one.limiter, "p-ada") is None


async def test_a_place_is_kept_while_its_process_lives_and_free_soon_after_it_died(
    replicas: Callable[..., Replica],
) -> None:
    one, other = replicas(user_transfers=1), replicas(user_transfers=1)
    assert await place(one.limiter, "d-ada") is not None
    ends = time.monotonic() + 2.5  # longer than a lease
    while time.monotonic() < ends:
        assert await place(other.limiter, "d-ada") is None
        await asyncio.sleep(0.3)
    await one.vanish()
    found: list[Hold] = []
    deadline = time.monotonic() + 60
    while not found:
        assert time.monotonic() < deadline
        held = await place(other.limiter, "d-ada")
        found += [held] if held is not None else []
        await asyncio.sleep(0.1)


async def test_when_redis_dies_requests_go_on_and_each_counts_for_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running_redis() as redis:
        settings = {"user_requests_per_second": 0.01, "user_requests_burst": 6, "user_transfers": 1}
        one, other = Replica(redis.url, **settings), Replica(redis.url, **settings)
        try:
            held = await place(one.limiter, "ada")
            assert held is not None
            assert await admitted("ada", 4, one.limiter, other.limiter) == 4
            redis.kill()
            began = time.monotonic()
            assert await admitted("ada", 20, one.limiter, other.limiter) == 2 * 4  # two of each are used up
            assert await place(one.limiter, "ada") is None
            assert time.monotonic() - began < 10
            assert (one.up(), other.up()) == (False, False)
            assert capsys.readouterr().out.count("is away") <= 2  # one line per process
            redis.start()
            await until("both are back", lambda: one.up() and other.up())
            assert await place(other.limiter, "ada") is None  # reported again what is held
            assert await admitted("bob", 9, one.limiter, other.limiter) == 6
        finally:
            await one.limiter.aclose()
            await other.limiter.aclose()


async def statuses(gateways: list[Running], times: int, sub: str) -> list[int]:
    return [
        (await gateways[number % len(gateways)].client.get(LIST, headers=bearer(sub))).status_code
        for number in range(times)
    ]


async def test_over_two_gateways() -> None:
    with running_redis() as redis:
        limits: dict[str, Any] = {
            "user_requests_per_second": 0.01,
            "user_requests_burst": 6,
            "redis_url": SecretStr(redis.url),
            "redis_seconds": 2.0,
        }
        async with run_gateway(**limits) as one, run_gateway(**limits) as other:
            assert await statuses([one, other], 9, "ada") == [200] * 6 + [429] * 3
            assert "limits_shared_up 1.0" in (await one.client.get("/metrics")).text
            redis.kill()
            assert await statuses([one, other], 14, "bob") == [200] * 12 + [429] * 2
            assert "limits_shared_up 0.0" in (await other.client.get("/metrics")).text
