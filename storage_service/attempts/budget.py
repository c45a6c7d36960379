"""A byte budget for the process: body bytes are reserved in it before they are held in memory.

When the budget is spent, requests for bytes wait in line. A reader that waits does not read, so HTTP/2 and
TCP flow control slow its client down. The next turn goes to the owner that holds the fewest bytes; requests
of one owner are served in order of arrival.

A body whose size a client decides reserves memory as its bytes arrive (``Claim``), so a slow client holds no
more than it has sent. Growing claims could all wait for each other. Two rules make sure that one can always
finish:

- Free memory never falls below what the *runners* still need. A claim becomes a runner once the rest that it
  needs is free; other claims leave room for the next runner (the largest claim, or half of the total).
- While a request waits, a runner that receives less than ``PRESSURE_RATE`` stops being one, and slow claims
  are interrupted, beginning with those of the owner that holds the most bytes.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from storage_service.attempts.interruption import Interruptible
from strongroom.errors import DeadlineExceeded, Overloaded, StrongroomError

SAMPLE_SECONDS: Final = 0.5
#: Bytes per second that a body must receive while others wait for memory.
PRESSURE_RATE: Final = 64 * 1024
RETRY_SECONDS: Final = 5.0
#: A claim's rate is measured over this many seconds, not counting those in which it waited for memory.
WINDOW_SECONDS: Final = 2.0


class BudgetTooSmall(ValueError):
    """More bytes were requested than the budget has in total."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The least ``rate`` (bytes per second) of a body over each ``window`` (seconds).

    Seconds in which the body waited for memory don't count. It applies even while memory is free. 0: no
    minimum.
    """

    rate: int = 0
    window: float = 30.0


@dataclass(eq=False, slots=True)
class _Waiter:
    size: int
    claim: Claim | None
    future: asyncio.Future[None]

    @property
    def owner(self) -> str:
        return self.claim.owner if self.claim is not None else ""


class ByteBudget:
    """A budget of ``total`` bytes. ``floor``: the least rate of clients even while there is room.

    For one event loop; not thread-safe.
    """

    def __init__(self, total: int, floor: Floor | None = None) -> None:
        if total < 1:
            raise ValueError("a byte budget must be at least 1 byte")
        self.total = total
        self._floor = floor or Floor()
        self._free = total
        self._promised = 0  # bytes that runners have not taken yet
        self._largest = 0
        self._waiters: list[_Waiter] = []
        self._filling: set[Claim] = set()
        self._by_owner: defaultdict[str, int] = defaultdict(int)
        self._sampling: asyncio.TimerHandle | None = None
        self.when_short: Callable[[], None] | None = None
        """Called when a request has to wait, so that memory that is only kept for later can be released."""

    @property
    def used(self) -> int:
        """Bytes reserved now."""
        return self.total - self._free

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._waiters)

    async def acquire(self, size: int) -> None:
        """Reserve ``size`` bytes, waiting for them if necessary. When cancelled, nothing stays reserved.

        Raises BudgetTooSmall at once if ``size`` exceeds the total.
        """
        if not self.try_acquire(size):
            await self.wait(size, None)

    def try_acquire(self, size: int) -> bool:
        """Reserve ``size`` bytes if they are free; return whether they were. Raises BudgetTooSmall."""
        self._check(size)
        if self._waiters or size > self._free - self._promised:
            return False
        self._free -= size
        return True

    def release(self, size: int) -> None:
        """Give back ``size`` reserved bytes. Raises ValueError if that is more than is reserved."""
        if size < 0 or self._free + size > self.total:
            raise ValueError("more bytes released than reserved")
        self._free += size
        self._grant()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """``async with budget.reserve(n)``: acquire on entry, release on exit."""
        await self.acquire(size)
        try:
            yield
        finally:
            self.release(size)

    def claim(self, most: int, owner: str = "", reading: Interruptible | None = None) -> Claim:
        """Return a new claim, which holds nothing yet.

        ``reading`` is interrupted when the claim has to give way; with None it never is. Raises
        BudgetTooSmall.
        """
        self._check(most)
        claim = Claim(self, most, owner, reading)
        self._largest = max(self._largest, most)
        self._filling.add(claim)
        self._sample_later()
        return claim

    def take_now(self, claim: Claim, size: int) -> bool:
        """Reserve ``size`` bytes for a claim if that is possible without waiting. Used by Claim.take."""
        self._check(claim.held + size)
        more = max(claim.held + size - claim.most, 0)
        claim.most += more
        if claim.runner:
            self._promised += more
        elif self._waiters and size:
            return False
        if not self._fits(size, claim):
            return False
        self._give(size, claim)
        return True

    async def wait(self, size: int, claim: Claim | None) -> None:
        """Wait until ``size`` bytes are reserved. When cancelled, nothing stays reserved."""
        waiter = _Waiter(size, claim, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        if self.when_short is not None:
            self.when_short()
        self._relieve()
        self._sample_later()
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                self._grant()  # the next one may have waited only because of us
            elif claim is None and not waiter.future.cancelled():
                self.release(size)  # granted and cancelled in the same turn of the loop
            raise

    def sealed(self, claim: Claim) -> None:
        """Note that the claim won't grow any more. Used by Claim.seal."""
        self._filling.discard(claim)
        self._demote(claim)
        self._grant()

    def detached(self, claim: Claim) -> int:
        """End the claim; return the bytes it held, which stay reserved. Used by Claim.detach and .release."""
        self._filling.discard(claim)
        self._demote(claim)
        size, claim.held = claim.held, 0
        self._by_owner[claim.owner] -= size
        if not self._by_owner[claim.owner]:
            del self._by_owner[claim.owner]
        return size

    def _check(self, size: int) -> None:
        if size < 0:
            raise ValueError("a reservation may not be negative")
        if size > self.total:
            raise BudgetTooSmall(f"{size} bytes asked of a budget of {self.total}; raise the memory budget")

    def _needs(self, claim: Claim) -> int:
        return max(claim.most - claim.held, 0)

    def _fits(self, size: int, claim: Claim | None) -> bool:
        room = self._free - self._promised
        if claim is None:
            return size <= room
        if claim.runner:
            return size <= self._free
        if room - size >= min(self._largest, self.total // 2):
            return True
        if self._needs(claim) > room:
            return False
        claim.runner = True
        self._promised += self._needs(claim)
        return True

    def _give(self, size: int, claim: Claim | None) -> None:
        self._free -= size
        if claim is not None:
            claim.held += size
            self._by_owner[claim.owner] += size
            if claim.runner:
                self._promised -= size

    def _demote(self, claim: Claim) -> None:
        if claim.runner:
            claim.runner = False
            self._promised -= self._needs(claim)

    def _grant(self) -> None:
        while self._waiters:
            waiter = self._next()
            if waiter.future.cancelled():
                self._waiters.remove(waiter)
                continue
            if not self._fits(waiter.size, waiter.claim):
                return
            self._grant_to(waiter)

    def _next(self) -> _Waiter:
        return min(self._waiters, key=lambda waiter: self._by_owner.get(waiter.owner, 0))

    def _sample_later(self) -> None:
        if self._sampling is None and (self._filling or self._waiters):
            self._sampling = asyncio.get_running_loop().call_later(SAMPLE_SECONDS, self._sample)

    def _sample(self) -> None:
        self._sampling = None
        now = asyncio.get_running_loop().time()
        for claim in list(self._filling):
            if not claim.sample(now, self._floor):
                self._interrupt(claim, _too_slow(self._floor))
        self._relieve()
        self._sample_later()

    def _relieve(self) -> None:
        """While requests wait, demote slow runners and interrupt slow claims until the next request
        has room.
        """
        self._grant()
        if not self._waiters:
            return
        slow = [claim for claim in self._filling if not claim.waiting and claim.rate < PRESSURE_RATE]
        for claim in slow:
            self._demote(claim)
        self._grant()
        if not self._waiters:
            return
        if not slow and self._nothing_moves():
            if self._start_any():
                return
            slow = [claim for claim in self._filling if claim.held]
        waiter = self._next()
        missing = waiter.size - (self._free - self._promised)
        if waiter.claim is not None:
            missing += min(self._largest, self.total // 2)
        missing -= sum(claim.held for claim in self._filling if claim.interrupted)
        slow.sort(key=lambda claim: (-self._by_owner[claim.owner], claim.rate))
        for claim in slow:
            if missing <= 0:
                return
            if claim.held and claim is not waiter.claim and self._interrupt(claim, _gives_way()):
                missing -= claim.held

    def _start_any(self) -> bool:
        """Grant, out of turn, the waiting request that needs least. Return whether it fitted."""
        waiter = min(self._waiters, key=lambda one: one.size if one.claim is None else self._needs(one.claim))
        if waiter.future.done() or not self._fits(waiter.size, waiter.claim):
            return False
        self._grant_to(waiter)
        return True

    def _grant_to(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        self._give(waiter.size, waiter.claim)
        waiter.future.set_result(None)

    def _nothing_moves(self) -> bool:
        """Whether all reserved memory belongs to claims that wait for more."""
        waiting = {
            waiter.claim for waiter in self._waiters
        }  # includes claims that were just granted but have not run since
        filling = sum(claim.held for claim in self._filling)
        return filling == self.used and all(claim in waiting for claim in self._filling if claim.held)

    def _interrupt(self, claim: Claim, error: StrongroomError) -> bool:
        if claim.interrupted or claim.reading is None:
            return False
        claim.interrupted = claim.reading.interrupt(error)
        return claim.interrupted


class Claim:
    """The bytes held by one body, or one part of it. Grows by ``take`` up to ``most`` bytes, until
    ``seal``.
    """

    def __init__(self, budget: ByteBudget, most: int, owner: str, reading: Interruptible | None) -> None:
        self._budget = budget
        self.owner = owner
        self.most = most
        self.reading = reading
        self.held = 0
        self.runner = False
        self.waiting = False
        self.interrupted = False
        self.rate = math.inf
        self._sampled = self._judged = _Sample(asyncio.get_running_loop().time(), 0)

    async def take(self, size: int) -> None:
        """Reserve ``size`` more bytes, waiting for them if necessary. Raises BudgetTooSmall."""
        if not size or self._budget.take_now(self, size):
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.waiting = True
        try:
            await self._budget.wait(size, self)
        finally:
            self.waiting = False
            waited = loop.time() - began  # time spent waiting here is not the client's fault
            self._sampled = self._sampled.later(waited)
            self._judged = self._judged.later(waited)

    def seal(self) -> None:
        """Declare that the claim won't grow any more: its bytes are being sent."""
        self._budget.sealed(self)

    def release(self) -> None:
        """Give back all bytes. Further calls have no effect."""
        self._budget.release(self._budget.detached(self))

    def detach(self) -> int:
        """End the claim without giving its bytes back. Return how many the caller must release."""
        return self._budget.detached(self)

    def sample(self, now: float, floor: Floor) -> bool:
        """Update ``rate``. Return False if the claim grew more slowly than ``floor`` allows."""
        if self.waiting:
            return True
        if now - self._sampled.at >= WINDOW_SECONDS:
            self.rate = (self.held - self._sampled.held) / (now - self._sampled.at)
            self._sampled = _Sample(now, self.held)
        if now - self._judged.at < floor.window:
            return True
        fast = self.held - self._judged.held >= floor.rate * floor.window
        self._judged = _Sample(now, self.held)
        return fast


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    held: int

    def later(self, seconds: float) -> _Sample:
        return _Sample(self.at + seconds, self.held)


def _gives_way() -> StrongroomError:
    return Overloaded(
        "Memory for uploads is short, and this one is among the slowest; try again in a moment.",
        metadata={"service": "storage_service"},
        retry_after=RETRY_SECONDS,
    )


def _too_slow(floor: Floor) -> StrongroomError:
    return DeadlineExceeded(
        f"The upload brought less than {floor.rate} bytes per second over {floor.window:g} s; send faster.",
        metadata={"limit_seconds": f"{floor.window:g}"},
    )
