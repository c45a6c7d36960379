"""How fast a run may be: bytes and requests a second, the pauses that the service asks for, and how many jobs
it bears at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from strongroom.errors import ObjectStoreThrottled, Overloaded, RateLimited, StrongroomError

Result = TypeVar("Result")

#: So the service says that there is too much at once, of this caller or of all.
SLOWER: Final = (RateLimited, Overloaded, ObjectStoreThrottled)
#: Seconds in which one refusal after the other counts as one: jobs that were sent together are refused
#: together.
_ONE_REFUSAL: Final = 1.0
#: Seconds from one more job at once to the next; a refusal costs all of them a pause.
_WIDENED_EVERY: Final = 3.0
#: Seconds without a job that was let in, after which a refusal is no matter of pace any more.
PATIENCE: Final = 300.0


class Pace:
    """Shared by all jobs of a run. None: as fast as it goes. Rates hold over every second: what was not used
    before is not caught up.

    ``jobs`` at once are the most. After a refusal it is half as many, and one more every few seconds that
    pass without: additive increase, multiplicative decrease, as TCP finds its window (RFC 5681 section 3.1).
    So a run beside other work of the same user ends up with the places that are left to it.
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
        """How many jobs may be at work at once at this moment."""
        return self._width

    def hold(self, error: StrongroomError, delay: float) -> None:
        """What one job was told (``RetryPolicy.on_retry``) holds for all: nobody begins anything for
        ``delay`` seconds, and fewer are at work at once.
        """
        if isinstance(error, SLOWER):
            now = self._clock()
            self._held_until = max(self._held_until, now + delay)
            if now - self._narrowed_at >= _ONE_REFUSAL:
                self._narrowed_at = now
                self._width = max(1, self._width // 2)

    async def let_in(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """What ``work`` answers, done when it is its turn; again, after a pause, where it was refused for
        being too much. Every other failure is raised.

        :raises RateLimited: or another of ``SLOWER``: even alone, and for ``PATIENCE`` seconds nothing was
            let in.
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
