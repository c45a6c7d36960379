"""Buckets: exactly the surplus is refused, and the announced wait is enough."""

from __future__ import annotations

import pytest

from servicekit.limits.counts import ACTIVE_SECONDS, Buckets, Contention, Rate


@pytest.mark.parametrize(
    ("per_second", "burst"), [(1.0, 1), (1000.0, 2000), (100.0, 200), (100 / 60, 99), (0.5, 3)]
)
def test_exactly_the_surplus_is_refused(per_second: float, burst: int) -> None:
    buckets = Buckets(Rate("r", "requests", per_second, burst))
    waits = [buckets.take("ada", 5.0) for _ in range(burst + 7)]
    assert [bool(wait) for wait in waits] == [False] * burst + [True] * 7
    assert waits[-1] == pytest.approx(1 / per_second)
    assert not buckets.take("bob", 5.0)


@pytest.mark.parametrize(("per_second", "burst"), [(1.0, 1), (1000.0, 2000), (100 / 60, 99), (0.5, 3)])
def test_the_wait_that_is_told_is_enough_and_no_more_than_needed(per_second: float, burst: int) -> None:
    buckets = Buckets(Rate("r", "requests", per_second, burst))
    for _ in range(burst):
        buckets.take("ada", 0.0)
    wait = buckets.take("ada", 0.0)
    assert buckets.take("ada", wait * 0.9) > 0
    assert not buckets.take("ada", wait + 1e-9)


def test_in_the_long_run_the_rate_holds() -> None:
    buckets = Buckets(Rate("r", "requests", 10.0, 20))
    admitted = sum(not buckets.take("ada", step / 100) for step in range(1000))
    assert admitted == pytest.approx(20 + 100, abs=1)


def test_several_at_once_are_taken_whole_or_not_at_all() -> None:
    buckets = Buckets(Rate("r", "imports", 1.0, 10))
    assert not buckets.take("ada", 0.0, 7)
    assert buckets.take("ada", 0.0, 5) == pytest.approx(2.0)
    assert not buckets.take("ada", 0.0, 3)
    assert not buckets.take("bob", 0.0, 50)  # a full bucket is all that there can be


def test_memory_is_bounded_and_the_busy_are_remembered() -> None:
    buckets = Buckets(Rate("r", "requests", 1.0, 2), max_keys=10)
    buckets.take("ada", 0.0)
    for number in range(100):
        buckets.take(f"user {number}", 0.0)
        if number == 5:
            buckets.take("ada", 0.0)
    assert len(buckets._full_at) == 10


def test_contention_is_somebody_else_within_two_seconds() -> None:
    contention = Contention()
    assert not contention.seen("ada", 0.0)
    assert not contention.seen("ada", 1.0)
    assert contention.seen("bob", 1.5)
    assert contention.seen("ada", 1.6)
    assert contention.seen("ada", 1.5 + ACTIVE_SECONDS)
    assert not contention.seen("ada", 1.6 + ACTIVE_SECONDS)
