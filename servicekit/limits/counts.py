"""Counts within a process, by key: how much is open at once (taken at the begin, released at the end), a few
at a time in turn, and rates (a token bucket as one number: GCRA, ITU-T I.371).

``limits`` has its own memory storage, but that checks every key after each request, in a thread, and keeps
one object per request: 20 to 45 µs a request, and memory that grows with the number of callers; this takes 1
µs. So ``limits`` counts what replicas share (``servicekit.limits.redis_counts``), and this module the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit of places: at most ``most`` per key (0: no cap). ``name``: used in metrics and errors;
    ``what``: the things counted, for people; ``retry_after``: seconds after which a retry makes sense.
    """

    name: str
    what: str
    most: int
    retry_after: float = 1.0


class Hold:
    """One place, held until ``release``; a second release does nothing."""

    __slots__ = ("_give_back",)

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Release the place."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Holds:
    """Context manager that releases all added holds at its end, however it ends."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Hold] = []

    def add(self, hold: Hold | None) -> None:
        """Release ``hold`` at the end of the block."""
        if hold is not None:
            self._held.append(hold)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hold in self._held:
            hold.release()
        self._held.clear()


class Places:
    """The places of one cap. Keys that hold none take no memory."""

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self._taken: dict[str, int] = {}

    def enter(self, key: str, count: int = 1) -> bool:
        """Take places; False if there are not enough."""
        taken = self._taken.get(key, 0) + count
        if taken > self.cap.most:
            return False
        self._taken[key] = taken
        return True

    def leave(self, key: str, count: int = 1) -> None:
        """Release places."""
        left = self._taken[key] - count
        if left:
            self._taken[key] = left
        else:
            del self._taken[key]


class Turns:
    """Lets ``at_once`` callers of one key run; keys do not wait for each other. For one event loop."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._taken: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def turn(self, key: str) -> Hold:
        """Wait for a turn, which ends when the hold is released."""
        if self._taken.get(key, 0) >= self._at_once:
            await self._wait(key)
        else:
            self._taken[key] = self._taken.get(key, 0) + 1
        return Hold(lambda: self._end(key))

    async def _wait(self, key: str) -> None:
        mine = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(key, deque())
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # had its turn, and was cancelled at the same time
                self._end(key)
            elif mine in queue:
                queue.remove(mine)
                self._forget(key, queue)
            raise

    def _end(self, key: str) -> None:
        queue = self._waiting.get(key, deque())
        while queue:
            waiter = queue.popleft()
            self._forget(key, queue)
            if not waiter.cancelled():  # a cancelled one leaves when its task runs
                waiter.set_result(None)  # the place passes directly from one to the other
                return
        if self._taken[key] == 1:
            del self._taken[key]
        else:
            self._taken[key] -= 1

    def _forget(self, key: str, queue: deque[asyncio.Future[None]]) -> None:
        if not queue and self._waiting.get(key) is queue:
            del self._waiting[key]


#: The most keys kept; beyond that, the one quiet for longest is dropped.
MAX_KEYS: Final = 100_000
#: Another user counts as active this long after a request. Seconds.
ACTIVE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit: ``burst`` at once, ``per_second`` in the long run. ``name``: used in metrics and errors;
    ``what``: the thing counted, for people.
    """

    name: str
    what: str
    per_second: float
    burst: int

    @property
    def window(self) -> int:
        """Seconds in which ``burst`` may come, if a window is counted instead of a bucket."""
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
        """Take ``amount`` tokens. Returns 0.0 if there are enough; otherwise takes nothing and returns the
        seconds to wait.

        An amount larger than the bucket is admitted when the bucket is full.
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
        table.pop(key, None)  # written last is last in the table: the first has been quiet for longest
        if len(table) >= self._max_keys:
            del table[next(iter(table))]
        table[key] = full_at


class Contention:
    """Whether another user is active: the last two users seen are enough to know."""

    __slots__ = ("_at", "_before", "_before_at", "_last")

    def __init__(self) -> None:
        self._last = self._before = ""
        self._at = self._before_at = float("-inf")

    def seen(self, user: str, now: float) -> bool:
        """Note a request of ``user``. Returns True if another user made a request within
        ``ACTIVE_SECONDS``.
        """
        if user != self._last:
            self._before, self._before_at = self._last, self._at
            self._last = user
        self._at = now
        return now - self._before_at <= ACTIVE_SECONDS
