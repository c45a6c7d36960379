"""How fast a run may be: bytes and requests a second, and the pauses that the service asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from strongroom.errors import RateLimited, StrongroomError


class Pace:
    """Shared by all jobs of a run. None: as fast as it goes. Rates hold over every second: what was not used
    before is not caught up.
    """

    def __init__(
        self,
        bytes_per_second: int | None = None,
        requests_per_second: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._byte_seconds = 1 / bytes_per_second if bytes_per_second else 0.0
        self._request_seconds = 1 / requests_per_second if requests_per_second else 0.0
        self._clock = clock
        self._sleep = sleep
        self._bytes_at = self._requests_at = self._held_until = 0.0

    def hold(self, error: StrongroomError, delay: float) -> None:
        """What one job was told (``RetryPolicy.on_retry``) holds for all: after a 429 nobody begins anything
        for ``delay`` seconds.
        """
        if isinstance(error, RateLimited):
            self._held_until = max(self._held_until, self._clock() + delay)

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
