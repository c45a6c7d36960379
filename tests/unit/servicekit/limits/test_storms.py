"""A storm of refusals, each of another caller, takes bounded memory."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from servicekit.limits import CapSettings, Hold, Limiter, counts, patience
from strongroom.errors import RateLimited

MANY = 40


async def everything_by(caps: Limiter, name: str) -> None:
    """Each limited action of one user, or one address, twice, so that it is refused."""
    for _ in range(2):
        for door in (
            caps.request,
            caps.unsigned_request,
            caps.failed_sign_in,
            caps.session,
            caps.imports,
        ):
            with contextlib.suppress(RateLimited):
                hold = await door(name)
                if isinstance(hold, Hold):
                    hold.release()


def remembered(value: Any, seen: set[int]) -> list[int]:
    """The sizes of all tables of strings below ``value``."""
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, dict):
        return [len(value), *(size for one in value.values() for size in remembered(one, seen))]
    if type(value).__module__.startswith("servicekit.limits"):
        inner = getattr(value, "__dict__", {})
        return [size for one in inner.values() for size in remembered(one, seen)]
    return []


async def test_strangers_do_not_fill_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "MAX_REFUSED", MANY)
    monkeypatch.setattr(counts, "MAX_KEYS", MANY)
    once: dict[str, Any] = {
        "user_requests_per_second": 0.01,
        "user_requests_burst": 1,
        "address_requests_per_second": 0.01,
        "address_requests_burst": 1,
        "failed_sign_ins_per_minute": 1,
        "user_sessions_per_minute": 1,
        "user_imports_per_minute": 1,
    }
    caps = Limiter(CapSettings(**once))
    for number in range(MANY * 3):
        await everything_by(caps, f"user {number}")
    tables = remembered(caps, set())
    assert max(tables) == MANY
    assert tables.count(MANY) >= 6  # each rate, and who was refused


async def test_a_place_that_is_refused_is_not_remembered() -> None:
    caps = Limiter(CapSettings(user_watches=1))
    for number in range(MANY):
        hold = await caps.hold("user_watches", f"user {number}")
        with pytest.raises(RateLimited):
            await caps.hold("user_watches", f"user {number}")
        assert hold is not None
        hold.release()
    assert caps._places["user_watches"]._taken == {}
