"""Openings of shares, and files dropped into them."""

from __future__ import annotations

import pytest

from servicekit.limits import CapSettings, Limiter
from strongroom.errors import RateLimited


async def test_openings_are_counted_by_address() -> None:
    now = 0.0
    limiter = Limiter(CapSettings(share_openings_per_minute=3), clock=lambda: now)
    for _ in range(3):
        await limiter.share_opening("192.0.2.1")
    with pytest.raises(RateLimited) as refused:
        await limiter.share_opening("192.0.2.1")
    assert refused.value.metadata == {"limit": "share_openings"}
    assert refused.value.retry_after == pytest.approx(20)
    await limiter.share_opening("192.0.2.2")
    now = 20.0
    await limiter.share_opening("192.0.2.1")


async def test_drops_are_counted_by_address_and_by_share() -> None:
    limiter = Limiter(CapSettings(share_drops_per_minute=2), clock=lambda: 0.0)
    await limiter.share_drop("192.0.2.1", "a")
    await limiter.share_drop("192.0.2.2", "a")
    with pytest.raises(RateLimited):
        await limiter.share_drop("192.0.2.3", "a")
    await limiter.share_drop("192.0.2.2", "b")
    with pytest.raises(RateLimited):
        await limiter.share_drop("192.0.2.2", "c")
    await limiter.share_drop("192.0.2.4")


async def test_nothing_is_counted_where_it_is_off() -> None:
    limiter = Limiter(CapSettings(share_openings_per_minute=0, share_drops_per_minute=0), clock=lambda: 0.0)
    for _ in range(300):
        await limiter.share_opening("192.0.2.1")
        await limiter.share_drop("192.0.2.1", "a")
