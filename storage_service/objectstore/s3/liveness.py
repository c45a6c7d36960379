"""Whether the store answers at all, and an end to waiting while it does not.

Time limits of single calls can't tell a slow store from a silent one, and calls that wait for a free thread
have none. So each reply counts as a sign of life, and a probe asks every few seconds. Once the probe has
failed and no reply has come since, the store is taken for away: whoever waits is told so, and new calls are,
at once. One call a second still goes through, and the first reply ends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from storage_service.objectstore.errors import StoreTimeout

#: While the store is away, so often a call is let through to look. Seconds.
TRIAL_SECONDS: Final = 1.0


class Liveness:
    """One per store. ``patience``: how long a store that answers may be silent, seconds."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self._clock = clock
        self._answered = clock()
        self._trial = 0.0
        self._away = False
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def away(self) -> bool:
        """Nobody has had an answer for a while, the probe included."""
        return self._away

    def answered(self) -> None:
        """Call it at each reply, whatever it says. From any thread."""
        self._answered = self._clock()
        self._away = False

    def unanswered(self) -> None:
        """The probe had no answer. Ends all waiting unless others had one meanwhile."""
        if self._clock() - self._answered < self.patience:
            return
        self._away = True
        now = asyncio.get_running_loop().time()
        for timeout in self._waiting:
            timeout.reschedule(now)

    @asynccontextmanager
    async def watched(self, operation: str, *, changes: bool) -> AsyncIterator[None]:
        """Around one call with all its tries. Raises StoreTimeout as soon as the store is taken for away."""
        if self._away and not self._may_try():
            raise StoreTimeout(operation=operation)
        try:
            async with asyncio.timeout(None) as timeout:
                self._waiting.add(timeout)
                try:
                    yield
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
