"""Limits the pace of a run: bytes and requests per second, pauses requested by the service, jobs at a
time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from strongroom.errors import ObjectStoreThrottled, Overloaded, RateLimited, StrongroomError

Result = TypeVar("Result")

#: Errors by which the service says that it gets too many requests, from this caller or from all.
SLOWER: Final = (RateLimited, Overloaded, ObjectStoreThrottled)
#: Seconds in which several refusals count as one, because jobs that were sent together are refused together.
_ONE_REFUSAL: Final = 1.0
#: Seconds until one more job is allowed at a time; a refusal delays them all.
_WIDENED_EVERY: Final = 3.0
#: Seconds without any admitted job after which a refusal is no longer considered a matter of pace.
PATIENCE: Final = 300.0


class Pace:
    """Shared by all jobs of a run. Rates of None are unlimited.

    Rates hold for every second: unused capacity is not made up for.

    ``jobs``: the most at a time. After a refusal the number is halved, and then grows by one every few
    seconds without another one: additive increase, multiplicative decrease, as in TCP (RFC 5681 section 3.1).
    So a run beside other work of the same user ends up with the capacity that the other work leaves.
    """

    def __init__(
        self,
        bytes_per_second: int | None = None,
        requests_per_second: float | None = None,
        *,
        jobs: int = 32,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._byte_seconds = 1 / bytes_per_second if bytes_per_second else 0.0
        self._request_seconds = 1 / requests_per_second if requests_per_second else 0.0
        self._clock = clock
        self._sleep = sleep
        self._bytes_at = self._requests_at = self._held_until = 0.0
        self._jobs = jobs
        self._width = jobs
        self._busy = 0
        self._room = asyncio.Condition()
        self._narrowed_at = self._widened_at = float("-inf")
        self._let_in_at: float | None = None

    @property
    def width(self) -> int:
        """Number of jobs that may run at a time at this moment."""
        return self._width

    def hold(self, error: StrongroomError, delay: float) -> None:
        """Apply a refusal of one job (``RetryPolicy.on_retry``) to all.

        No job begins anything for ``delay`` seconds, and fewer may run at a time.
        """
        if isinstance(error, SLOWER):
            now = self._clock()
            self._held_until = max(self._held_until, now + delay)
            if now - self._narrowed_at >= _ONE_REFUSAL:
                self._narrowed_at = now
                self._width = max(1, self._width // 2)

    async def let_in(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Run ``work`` when it is its turn and return its result. Repeat it after a pause if it was refused
        for pace.

        All other errors are raised.

        :raises RateLimited: or another of ``SLOWER``: refused as the only job, after ``PATIENCE`` seconds in
        which none
            was admitted.
        """
        if self._let_in_at is None:
            self._let_in_at = self._clock()
        while True:
            async with self._place():
                await self.request()
                try:
                    result = await work()
                except SLOWER as error:
                    if self._busy == 1 and self._clock() - self._let_in_at > PATIENCE:
                        raise
                    self.hold(error, error.retry_after or 1.0)
                else:
                    self._passed()
                    return result

    def _passed(self) -> None:
        self._let_in_at = now = self._clock()
        changed_at = max(self._narrowed_at, self._widened_at)
        if self._width < self._jobs and now - changed_at >= _WIDENED_EVERY:
            self._widened_at = now
            self._width += 1

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        async with self._room:
            await self._room.wait_for(lambda: self._busy < self.width)
            self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            async with self._room:
                self._room.notify_all()

    async def request(self) -> None:
        """Wait until one more request may begin."""
        while (wait := self._held_until - self._clock()) > 0:
            await self._sleep(wait)
        if self._request_seconds:
            now = self._clock()
            at = max(now, self._requests_at)
            self._requests_at = at + self._request_seconds
            await self._sleep_until(at)

    async def bytes(self, count: int) -> None:
        """Wait until ``count`` more bytes may be sent."""
        if self._byte_seconds:
            now = self._clock()
            at = max(now, self._bytes_at)
            self._bytes_at = at + count * self._byte_seconds
            await self._sleep_until(at)

    async def _sleep_until(self, moment: float) -> None:
        wait = moment - self._clock()
        if wait > 0:
            await self._sleep(wait)
