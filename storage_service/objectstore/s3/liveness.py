"""Detects whether the store answers at all, and ends waiting calls while it doesn't.

Time limits of single calls can't distinguish a slow store from a silent one, and calls that wait for a free
thread have none. So each reply counts as a sign of life, and a probe is sent every few seconds. If the probe
fails and no reply has come since, the store counts as away: waiting calls fail at once, and so do new ones.
One call per second is still let through, and the first reply ends the state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from storage_service.objectstore.errors import StoreTimeout

#: Seconds between the calls that are let through while the store is away.
TRIAL_SECONDS: Final = 1.0

T = TypeVar("T")


class Liveness:
    """The state of one store. ``patience``: how many seconds a store that answers may be silent."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self._clock = clock
        self._answered = clock()
        self._trial = 0.0
        self._away = False
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def away(self) -> bool:
        """Whether no call, the probe included, has had a reply for a while."""
        return self._away

    def answered(self) -> None:
        """Note a reply, whatever it says. May be called from any thread."""
        self._answered = self._clock()
        self._away = False

    def unanswered(self) -> None:
        """Note that the probe had no reply. Ends all waiting calls unless one had a reply meanwhile."""
        if self._clock() - self._answered < self.patience:
            return
        self._away = True
        now = asyncio.get_running_loop().time()
        for timeout in self._waiting:
            timeout.reschedule(now)

    async def watched(self, operation: str, call: Callable[[], Awaitable[T]], *, changes: bool) -> T:
        """Return the result of ``call``, with all its tries. Raises StoreTimeout as soon as the store counts
        as away.
        """
        if self._away and not self._may_try():
            raise StoreTimeout(operation=operation)
        try:
            async with asyncio.timeout(None) as timeout:
                self._waiting.add(timeout)
                try:
                    return await call()
                finally:
                    self._waiting.discard(timeout)
        except TimeoutError as error:
            raise StoreTimeout(operation=operation, outcome_unknown=changes) from error

    def _may_try(self) -> bool:
        now = self._clock()
        if now - self._trial < TRIAL_SECONDS:
            return False
        self._trial = now
        return True
