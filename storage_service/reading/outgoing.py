"""Limits the memory for outgoing bodies, by a byte budget like the one for incoming bodies.

A message is held, in several copies (``COPIES``), until its reader has taken it. When the budget is spent,
further messages wait, and readers that have taken nothing for some seconds are dropped, beginning with those
of the owner that holds the most bytes.

The next turn goes to the body whose owner holds the fewest bytes; among equals, to the reader that took its
last message fastest. So accounts that read slowly delay others by little more than one of them would. A slow
reader's disadvantage is ``PATIENCE`` times as long as its last message took, and not unlimited.

A piece of up to ``FREE_BYTES`` needs no budget, so small files never wait.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from servicekit.context import Writing, current
from strongroom.errors import Overloaded

T = TypeVar("T")

#: The piece, its message, the piece fetched ahead, the encoded message, and gRPC's copy of that.
COPIES: Final = 5
FREE_BYTES: Final = 64 * 1024
LOOK_SECONDS: Final = 0.25
#: While others wait, a reader has this many seconds for a message, and one more for each PRESSURE_RATE bytes
#: unless its owner holds more than a quarter of the budget.
STALLED_SECONDS: Final = 2.0
PRESSURE_RATE: Final = 64 * 1024
RETRY_SECONDS: Final = 5.0
PATIENCE: Final = 10.0


@dataclass(eq=False, slots=True)
class _Reader:
    owner: str
    writing: Writing | None
    held: int = 0
    since: float = 0.0
    """Time of the loop at which it was given its budget, or began to wait for it."""
    took: float = 0.0
    """How long the reader took for the last message, in seconds."""


_Waiting: TypeAlias = tuple[_Reader, int, asyncio.Future[None]]


class Outgoing:
    """A budget of ``total`` bytes. For one event loop; not thread-safe."""

    def __init__(self, total: int) -> None:
        if total < 1:
            raise ValueError("a byte budget must be at least 1 byte")
        self.total = total
        self.used = 0
        self._by_owner: defaultdict[str, int] = defaultdict(int)
        self._holding: set[_Reader] = set()
        self._waiting: list[_Waiting] = []
        self._look: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Number of bodies that wait."""
        return len(self._waiting)

    async def paced(
        self,
        body: AsyncIterator[T],
        size_of: Callable[[T], int] = len,  # type: ignore[assignment]
    ) -> AsyncGenerator[T]:
        """Yield the pieces of ``body``, each counted until the call in progress has written it."""
        request = current()
        principal = request.principal if request is not None else None
        # Previews and guests count together as owner "": an owner is not to blame for slow guests.
        owner = "" if principal is None or principal.lent else principal.subject
        reader = _Reader(owner, request.writing if request is not None else None)
        try:
            async for piece in body:
                size = size_of(piece)
                if size > FREE_BYTES:
                    await self._take(reader, min(COPIES * size, self.total))
                yield piece
                del piece
                self._give_back(reader)
        finally:
            self._give_back(reader)
            if isinstance(body, AsyncGenerator):
                await body.aclose()

    async def _take(self, reader: _Reader, size: int) -> None:
        if not self._waiting and self.used + size <= self.total:
            self._hold(reader, size)
            return
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[None] = loop.create_future()
        reader.since = loop.time()
        entry = (reader, size, granted)
        self._waiting.append(entry)
        self._relieve()
        try:
            await granted
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._grant()

    def _hold(self, reader: _Reader, size: int) -> None:
        reader.held, reader.since = size, asyncio.get_running_loop().time()
        self.used += size
        self._by_owner[reader.owner] += size
        self._holding.add(reader)

    def _give_back(self, reader: _Reader) -> None:
        if reader not in self._holding:
            return
        self._holding.discard(reader)
        self.used -= reader.held
        self._by_owner[reader.owner] -= reader.held
        if not self._by_owner[reader.owner]:
            del self._by_owner[reader.owner]
        reader.held, reader.took = 0, asyncio.get_running_loop().time() - reader.since
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            entry = min(self._waiting, key=self._turn)
            reader, size, granted = entry
            if not granted.done() and self.used + size > self.total:
                return
            self._waiting.remove(entry)
            if not granted.done():
                self._hold(reader, size)
                granted.set_result(None)

    def _turn(self, entry: _Waiting) -> tuple[int, float]:
        """Sort key of waiting bodies: the least is next."""
        reader = entry[0]
        return self._by_owner.get(reader.owner, 0), reader.since + PATIENCE * reader.took

    def _relieve(self) -> None:
        """While bodies wait, drop readers that take nothing."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._grant()
        if not self._waiting:
            return
        missing = self.used + self._waiting[0][1] - self.total
        stalled = [one for one in self._holding if one.writing is not None and self._is_stalled(one)]
        stalled.sort(key=lambda one: (-self._by_owner[one.owner], -one.writing.waits() if one.writing else 0))
        for one in stalled:
            if missing <= 0:
                break
            if one.writing is not None and one.writing.interrupt(_dropped()):
                missing -= one.held
        self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._relieve)

    def _is_stalled(self, reader: _Reader) -> bool:
        if reader.writing is None:
            return False
        patience = STALLED_SECONDS
        if self._by_owner[reader.owner] <= self.total // 4:
            patience += reader.held / COPIES / PRESSURE_RATE
        return reader.writing.waits() > patience


def _dropped() -> Overloaded:
    return Overloaded(
        "Memory for downloads is short, and this reader is not reading; request the rest again.",
        metadata={"service": "storage_service"},
        retry_after=RETRY_SECONDS,
    )
