"""How much one key has open at once, in process: taken when something begins, given back when it ends.

A few at a time of one key, the others in the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Cap:
    """At most ``most`` per key (0: no cap). ``name``: as in metrics and errors; ``what``: the things counted,
    for people; ``retry_after``: seconds after which it is worth asking again.
    """

    name: str
    what: str
    most: int
    retry_after: float = 1.0


class Hold:
    """One place, taken until ``release``; releasing it again does nothing."""

    __slots__ = ("_give_back",)

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Give the place back."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Holds:
    """A block at whose end everything that was added is released, however it ends."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Hold] = []

    def add(self, hold: Hold | None) -> None:
        """Release ``hold`` at the end of the block."""
        if hold is not None:
            self._held.append(hold)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hold in self._held:
            hold.release()
        self._held.clear()


class Places:
    """The places of one cap; keys without any are not remembered."""

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self._taken: dict[str, int] = {}

    def enter(self, key: str) -> bool:
        """Take a place; False when all are taken."""
        taken = self._taken.get(key, 0)
        if taken >= self.cap.most:
            return False
        self._taken[key] = taken + 1
        return True

    def leave(self, key: str) -> None:
        """Give one back."""
        left = self._taken[key] - 1
        if left:
            self._taken[key] = left
        else:
            del self._taken[key]


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
