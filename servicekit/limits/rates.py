"""Rates in process: a bucket of tokens for each key, as one number (GCRA, ITU-T I.371).

``limits`` has a memory storage of its own. It looks at every key after each request, in a thread, and keeps
one object per request: 20 to 45 µs a request and room that grows with the number of callers, where this takes
one. So ``limits`` counts what replicas share (``servicekit.limits.redis_counts``), and this what a process
counts for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Keys that are remembered; beyond, the one that was quiet for longest is forgotten.
MAX_KEYS: Final = 100_000
#: Another user counts as active for so long after a request. Seconds.
ACTIVE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, ``per_second`` in the long run. ``name``: as in metrics and errors; ``what``: the
    thing counted, for people.
    """

    name: str
    what: str
    per_second: float
    burst: int

    @property
    def window(self) -> int:
        """Seconds in which ``burst`` may come, where a window is counted instead of a bucket."""
        return max(1, int(self.burst / self.per_second + 1e-6))

    def explained(self) -> str:
        """The limit in words."""
        if self.per_second < 1 or self.window >= 30:
            return f"at most {self.per_second * 60:g} {self.what} a minute"
        return f"at most {self.per_second:g} {self.what} a second, {self.burst} at once"


class Buckets:
    """One bucket per key. ``now`` is always seconds of one monotonic clock."""

    def __init__(self, rate: Rate, max_keys: int | None = None) -> None:
        self.rate = rate
        self._interval = 1.0 / rate.per_second
        self._depth = rate.burst * self._interval
        self._max_keys = MAX_KEYS if max_keys is None else max_keys
        self._full_at: dict[str, float] = {}

    def take(self, key: str, now: float, amount: int = 1) -> float:
        """Take ``amount`` tokens: 0.0 when there are as many, else nothing is taken and these seconds are to
        be waited. More than the bucket holds is let through when it is full.
        """
        full_at = self._full_at.get(key, now)
        after = max(full_at, now) + min(amount, self.rate.burst) * self._interval
        wait = after - now - self._depth
        if wait > 1e-9:
            return wait
        self._put(key, after)
        return 0.0

    def _put(self, key: str, full_at: float) -> None:
        table = self._full_at
        table.pop(key, None)  # written last is last in the table: the first one has been quiet for longest
        if len(table) >= self._max_keys:
            del table[next(iter(table))]
        table[key] = full_at


class Contention:
    """Whether somebody else is about: the two users seen last are all that it takes to know."""

    __slots__ = ("_at", "_before", "_before_at", "_last")

    def __init__(self) -> None:
        self._last = self._before = ""
        self._at = self._before_at = float("-inf")

    def seen(self, user: str, now: float) -> bool:
        """``user`` makes a request; True when another one did within ``ACTIVE_SECONDS``."""
        if user != self._last:
            self._before, self._before_at = self._last, self._at
            self._last = user
        self._at = now
        return now - self._before_at <= ACTIVE_SECONDS
