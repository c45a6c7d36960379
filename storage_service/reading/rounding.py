"""Ends of URLs, rounded, so that URLs made soon after each other are equal and caches know them again.

A URL holds for as long as was asked for, and up to a quarter of that longer, an hour at the most.
"""

from __future__ import annotations

from typing import Final

_LARGEST_STEP: Final = 3600


def step_of(seconds: int) -> int:
    """By how much a life of so many seconds is rounded; 0: too short for that."""
    return min(seconds // 4, _LARGEST_STEP)


def rounded_start(now: float, seconds: int) -> int:
    """When a URL that is to hold ``seconds`` from now on begins, seconds since 1970. Not later than now."""
    step = step_of(seconds)
    return int(now) - int(now) % step if step else int(now)


def rounded_end(now: float, seconds: int) -> int:
    """When it ends."""
    return rounded_start(now, seconds) + seconds + step_of(seconds)
