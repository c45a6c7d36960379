"""Slows down callers that continue although they are refused: their answers come later and later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Refusals without a delay. They are forgiven at ``FORGIVEN_PER_SECOND``.
PATIENT_REFUSALS: Final = 32
FORGIVEN_PER_SECOND: Final = 10.0
#: Beyond that, a caller gets one refusal per this many seconds, on however many connections it asks,
SLOWED_SECONDS: Final = 0.05
#: but no refusal takes longer than this.
LONGEST_SECONDS: Final = 2.0
#: The most callers slowed at once; further ones are refused immediately.
MAX_SLOWED: Final = 2000
#: The most callers whose refusals are remembered.
MAX_REFUSED: Final = 10_000


@dataclass(slots=True)
class _Caller:
    refusals: float
    at: float
    next_turn: float = 0.0


class Patience:
    """Counts refusals by caller (a user, an address). Admitted requests in between forgive none: a flood is
    admitted at everybody's rate, too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._callers: dict[str, _Caller] = {}
        self._slowed = 0

    def refused(self, key: str) -> None:
        """``key`` was refused."""
        now = self._clock()
        caller = self._callers.pop(key, None) or _Caller(0.0, now)
        if len(self._callers) >= MAX_REFUSED:
            del self._callers[next(iter(self._callers))]
        caller.refusals = self._left(caller, now) + 1
        caller.at = now
        self._callers[key] = caller

    async def turn(self, key: str) -> None:
        """Return at once if ``key`` was seldom refused; otherwise wait until its turn."""
        caller = self._callers.get(key)
        now = self._clock()
        if caller is None or self._slowed >= MAX_SLOWED or self._left(caller, now) <= PATIENT_REFUSALS:
            return
        turn = max(caller.next_turn, now) + SLOWED_SECONDS
        wait = min(turn - now, LONGEST_SECONDS)
        caller.next_turn = now + wait
        self._slowed += 1
        try:
            await asyncio.sleep(wait)
        finally:
            self._slowed -= 1

    @staticmethod
    def _left(caller: _Caller, now: float) -> float:
        return max(0.0, caller.refusals - (now - caller.at) * FORGIVEN_PER_SECOND)
