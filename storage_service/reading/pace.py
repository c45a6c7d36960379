"""Limits the rate of reads that nobody waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Limits an average rate in bytes per second; idle time is not made up for. 0: no limit."""

    def __init__(
        self,
        bytes_per_second: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0

    async def spend(self, count: int) -> None:
        """Wait until ``count`` bytes, which were just read, fit the rate."""
        if not self._rate:
            return
        self._free_at = max(self._free_at, self._clock()) + count / self._rate
        await self._sleep(max(0.0, self._free_at - self._clock()))
