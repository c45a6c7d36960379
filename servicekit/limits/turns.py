"""A few at a time of one key, the others in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque

from servicekit.limits.holds import Hold


class Turns:
    """``at_once`` of one key have their turn; keys do not wait for each other. Used by one event loop."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._taken: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def turn(self, key: str) -> Hold:
        """Wait for a turn, which ends when the hold is released."""
        if self._taken.get(key, 0) >= self._at_once:
            await self._wait(key)
        else:
            self._taken[key] = self._taken.get(key, 0) + 1
        return Hold(lambda: self._end(key))

    async def _wait(self, key: str) -> None:
        mine = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(key, deque())
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # had its turn, and was cancelled at once
                self._end(key)
            else:
                queue.remove(mine)
                self._forget(key, queue)
            raise

    def _end(self, key: str) -> None:
        queue = self._waiting.get(key)
        if queue:
            queue.popleft().set_result(None)  # the place goes from one to the other
            self._forget(key, queue)
        elif self._taken[key] == 1:
            del self._taken[key]
        else:
            self._taken[key] -= 1

    def _forget(self, key: str, queue: deque[asyncio.Future[None]]) -> None:
        if not queue and self._waiting.get(key) is queue:
            del self._waiting[key]
