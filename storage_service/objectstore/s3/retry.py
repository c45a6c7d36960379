"""Second tries, decided here and nowhere else (botocore's own are off)."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.values import Doubtful

T = TypeVar("T")

BASE_DELAY = 0.1
MAX_DELAY = 5.0


class RetryPolicy:
    """Repeats what failed with a ``retryable`` error, after an exponential delay with full jitter.

    Every call of the adapter may be repeated: keys and parts are written with the same bytes, a second Create
    leaves an upload that the cleaner aborts, and a second Complete or Abort finds its upload gone.
    """

    def __init__(
        self,
        max_attempts: int,
        *,
        try_seconds: float = math.inf,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_attempts = max(1, max_attempts)
        self._try_seconds = try_seconds
        self._sleep = sleep
        self._clock = clock

    async def run(
        self, attempt: Callable[[], Awaitable[T]], doubtful: Doubtful | None = None, *, work: float = 0.0
    ) -> T:
        """The result of the first attempt that succeeds, or the last error.

        An attempt may wait for ``try_seconds`` and ``work``; all together for a little over twice the first,
        so that whoever waits for the result is told in time. What an error says that it ``waited`` counts
        rather than its duration: the time in which a body moved is not waiting.

        ``outcome_unknown`` of that error is true as soon as it was for any attempt; ``doubtful`` is told so
        too.
        """
        unknown, left = False, 2.25 * self._try_seconds + work
        for number in range(self._max_attempts):
            began = self._clock()
            try:
                return await attempt()
            except StoreError as error:
                unknown = error.outcome_unknown = error.outcome_unknown or unknown
                if unknown and doubtful is not None:
                    doubtful.is_so = True
                delay = self._delay(number, error.retry_after)
                left -= delay + (self._clock() - began if error.waited is None else error.waited)
                too_late = left < self._try_seconds + work
                if not error.retryable or number + 1 == self._max_attempts or too_late:
                    raise
            await self._sleep(delay)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _delay(self, number: int, retry_after: float | None) -> float:
        backoff = random.uniform(0, min(MAX_DELAY, BASE_DELAY * 4**number))
        return max(backoff, min(retry_after or 0.0, MAX_DELAY))
