"""What one body under way holds of a byte budget, how fast it comes, and how its reading is ended."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from strongroom.errors import StrongroomError

if TYPE_CHECKING:
    from storage_service.attempts.budget import ByteBudget

#: Over so many seconds in which its client could send, a claim's rate is measured.
WINDOW_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Floor:
    """Bytes a second that a body has to bring over each ``window`` (seconds in which we read), always."""

    rate: int = 0
    window: float = 30.0


class Interruptible:
    """``async with`` around the reading of a client's body: the budget may end it with an error."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self._error: StrongroomError | None = None

    def interrupt(self, error: StrongroomError) -> bool:
        """End the block with ``error``; False outside of it."""
        if self._timeout is None or self._error is not None:
            return False
        self._error = error
        self._timeout.reschedule(asyncio.get_running_loop().time())
        return True

    async def __aenter__(self) -> Self:
        self._timeout = await asyncio.timeout(None).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        timeout, self._timeout = self._timeout, None
        if timeout is None:
            raise RuntimeError("the block was not entered")
        try:
            await timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            if self._error is None:
                raise
            raise self._error from None


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
        self._budget.released(self)

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
