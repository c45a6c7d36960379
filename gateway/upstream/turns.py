"""Turns on the event loop: new requests take precedence over the bytes of large bodies.

A small request takes a dozen steps of the loop. Between two of these each large body in progress would take a
step of its own, a mebibyte, and the small request would wait for all of them. So while any request is young,
all large bodies together take one step every ``PAUSE_SECONDS``. A request is young until it is answered, is
``YOUNG_SECONDS`` old, or turns out to be a large body itself. If no request is young, large bodies don't wait
(docs/decisions/0108-turns-of-large-bodies.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

#: Bytes that one body moves in a step.
STEP_BYTES: Final = 1024 * 1024
#: 250 MiB/s for all large bodies while there are young requests: a fifth to a third of the loop's throughput.
PAUSE_SECONDS: Final = 0.004
#: A request that is not answered by then waits for something else than the loop, or is large or endless.
YOUNG_SECONDS: Final = 0.1


class Turns:
    """One per event loop."""

    def __init__(self) -> None:
        self._young: dict[object, float] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, who: object) -> None:
        """Register a request as young, until ``settle``."""
        self._young[who] = asyncio.get_running_loop().time()

    async def step(self, who: object) -> None:
        """Wait until the large body ``who`` may move STEP_BYTES."""
        loop = asyncio.get_running_loop()
        self.settle(who)
        now = loop.time()
        if not self._waiting and (now >= self._next or not self._crowded(now)):
            self._next = now + PAUSE_SECONDS
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if self._timer is None:
            self._timer = loop.call_at(self._next, self._tick)
        await turn

    def _tick(self) -> None:
        """Give one waiting body its turn; all of them if no request is young."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        crowded = self._crowded(now)
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                if crowded:
                    break
        self._next = now + PAUSE_SECONDS
        if self._waiting:
            self._timer = loop.call_at(self._next, self._tick)

    def settle(self, who: object) -> None:
        """``who`` is no longer young. Further calls have no effect."""
        if self._young.pop(who, None) is not None and not self._young and self._timer is not None:
            self._timer.cancel()
            self._tick()

    def _crowded(self, now: float) -> bool:
        """Whether any request is young."""
        while self._young:
            who, began = next(iter(self._young.items()))
            if now - began < YOUNG_SECONDS:
                return True
            del self._young[who]
        return False


class Passage:
    """The turns of one body, sent or received. ``moved``: bytes since its last turn."""

    __slots__ = ("_turns", "_who", "moved")

    def __init__(self, turns: Turns, who: object) -> None:
        self._turns = turns
        self._who = who
        self.moved = 0

    async def turn(self) -> None:
        """Wait for the next turn if STEP_BYTES have been moved; shorter bodies never wait."""
        if self.moved >= STEP_BYTES:
            self.moved = 0
            await self._turns.step(self._who)
