"""A process-wide byte budget: whoever wants to hold body bytes reserves them first.

When the budget is spent it waits its turn; while a reader waits it does not read, so HTTP/2 and TCP flow
control slow its client down. Turns go to the owner that holds least; among one owner's, first come, first
served.

A body whose size a client decides takes memory as its bytes arrive (``Claim``), so that a slow one holds no
more than it has brought. Growing claims could all wait for each other; two rules keep one of them able to
finish:

- What is free never falls below what the *runners* still need. A claim becomes a runner once the rest that
  it needs is free; others leave ``headroom`` for the next one.
- While somebody waits, a runner that brings less than ``PRESSURE_RATE`` loses its place, and slow claims are
  interrupted, those of the owner that holds most first.
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
#: Bytes a second that a body has to bring while others wait for memory.
PRESSURE_RATE: Final = 64 * 1024
RETRY_SECONDS: Final = 5.0
#: Over so many seconds in which its client could send, a claim's rate is measured.
WINDOW_SECONDS: Final = 2.0


class BudgetTooSmall(ValueError):
    """More was asked for than the budget ever has."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Bytes a second that a body has to bring over each ``window`` (seconds in which we read), always."""

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
    """``total`` bytes; ``floor``: what clients must bring even while there is room.

    For one event loop, not thread-safe.
    """

    def __init__(self, total: int, floor: Floor | None = None) -> None:
        if total < 1:
            raise ValueError("a byte budget must be at least 1 byte")
        self.total = total
        self._floor = floor or Floor()
        self._free = total
        self._promised = 0  # to runners
        self._largest = 0
        self._waiters: list[_Waiter] = []
        self._filling: set[Claim] = set()
        self._by_owner: defaultdict[str, int] = defaultdict(int)
        self._sampling: asyncio.TimerHandle | None = None
        self.when_short: Callable[[], None] | None = None
        """Called when somebody has to wait: what is held for later only is to be released now."""

    @property
    def used(self) -> int:
        """Bytes reserved now."""
        return self.total - self._free

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._waiters)

    async def acquire(self, size: int) -> None:
        """Reserve ``size`` bytes; waits for them. Raises BudgetTooSmall at once if it exceeds the total.

        Cancelling it leaves nothing reserved.
        """
        if not self.try_acquire(size):
            await self.wait(size, None)

    def try_acquire(self, size: int) -> bool:
        """Reserve ``size`` bytes if that needs no waiting. Raises BudgetTooSmall as acquire does."""
        self._check(size)
        if self._waiters or size > self._free - self._promised:
            return False
        self._free -= size
        return True

    def release(self, size: int) -> None:
        """Give ``size`` reserved bytes back. Raises ValueError when more comes back than was taken."""
        if size < 0 or self._free + size > self.total:
            raise ValueError("more bytes released than reserved")
        self._free += size
        self._grant()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """``async with budget.reserve(n)``: acquire, and release on the way out whatever happens."""
        await self.acquire(size)
        try:
            yield
        finally:
            self.release(size)

    def claim(self, most: int, owner: str = "", reading: Interruptible | None = None) -> Claim:
        """A claim that holds nothing yet. ``reading``: ended when the claim must give way; None: never.

        Raises BudgetTooSmall.
        """
        self._check(most)
        claim = Claim(self, most, owner, reading)
        self._largest = max(self._largest, most)
        self._filling.add(claim)
        self._sample_later()
        return claim

    def take_now(self, claim: Claim, size: int) -> bool:
        """For Claim.take: whether it needs no waiting."""
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
        """Wait for ``size`` bytes. Cancelling it leaves them with nobody."""
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
        """For Claim.seal."""
        self._filling.discard(claim)
        self._demote(claim)
        self._grant()

    def detached(self, claim: Claim) -> int:
        """For Claim.detach and Claim.release."""
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
        """While somebody waits: room from who is slow."""
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
        """Grant whoever needs least, out of turn."""
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
        """All memory is with bodies that wait for more of it."""
        waiting = {
            waiter.claim for waiter in self._waiters
        }  # a claim that was just granted does not know yet
        filling = sum(claim.held for claim in self._filling)
        return filling == self.used and all(claim in waiting for claim in self._filling if claim.held)

    def _interrupt(self, claim: Claim, error: StrongroomError) -> bool:
        if claim.interrupted or claim.reading is None:
            return False
        claim.interrupted = claim.reading.interrupt(error)
        return claim.interrupted


class Claim:
    """What one body, or one part of it, holds. Grows by ``take`` up to ``most`` bytes, until ``seal``."""

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
        """Hold ``size`` bytes more; waits for them. Raises BudgetTooSmall."""
        if not size or self._budget.take_now(self, size):
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.waiting = True
        try:
            await self._budget.wait(size, self)
        finally:
            self.waiting = False
            waited = loop.time() - began  # not the client's fault
            self._sampled = self._sampled.later(waited)
            self._judged = self._judged.later(waited)

    def seal(self) -> None:
        """Nothing more will be taken: the bytes are on their way."""
        self._budget.sealed(self)

    def release(self) -> None:
        """Give everything back; once or more often."""
        self._budget.release(self._budget.detached(self))

    def detach(self) -> int:
        """Like ``release``, but what was held stays reserved: so many bytes are the caller's to release."""
        return self._budget.detached(self)

    def sample(self, now: float, floor: Floor) -> bool:
        """Measure; False when it brings less than ``floor``."""
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
