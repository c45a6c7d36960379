"""A process-wide byte budget: whoever wants to hold body bytes reserves them first.

When the budget is spent it waits its turn; while a reader waits it does not read, so HTTP/2 and TCP flow
control slow its client down.

Reserve what is needed to make progress in one go (a whole part, before its first byte): with reservations
that grow piece by piece every upload could hold half a part and wait for the other half for ever. Whoever
holds a reservation must be able to give it back without getting another one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class BudgetTooSmall(ValueError):
    """More was asked for than the budget ever has."""


class ByteBudget:
    """First come, first served: a small request never overtakes a large one.

    For one event loop, not thread-safe.
    """

    def __init__(self, total: int) -> None:
        if total < 1:
            raise ValueError("a byte budget must be at least 1 byte")
        self.total = total
        self._free = total
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes reserved now."""
        return self.total - self._free

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._waiters)

    async def acquire(self, size: int) -> None:
        """Reserve ``size`` bytes; waits for them. Raises BudgetTooSmall at once if it exceeds the total.

        Cancelling it leaves nothing reserved.
        """
        if self.try_acquire(size):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, future)
        self._waiters.append(entry)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(size)  # granted and cancelled in the same turn of the loop
            elif entry in self._waiters:
                self._waiters.remove(entry)
                self._grant()  # the next one may have waited only because of us
            raise

    def try_acquire(self, size: int) -> bool:
        """Reserve ``size`` bytes if that needs no waiting. Raises BudgetTooSmall as acquire does."""
        if size < 0:
            raise ValueError("a reservation may not be negative")
        if size > self.total:
            raise BudgetTooSmall(f"{size} bytes asked of a budget of {self.total}; raise the memory budget")
        if self._waiters or size > self._free:
            return False
        self._free -= size
        return True

    def release(self, size: int) -> None:
        """Give ``size`` reserved bytes back. Raises ValueError when more comes back than was taken."""
        if size < 0 or self._free + size > self.total:
            raise ValueError("more bytes released than reserved")
        self._free += size
        self._grant()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """``async with budget.reserve(n)``: acquire, and release on the way out whatever happens."""
        await self.acquire(size)
        try:
            yield
        finally:
            self.release(size)

    def _grant(self) -> None:
        while self._waiters and self._waiters[0][0] <= self._free:
            size, future = self._waiters.popleft()
            if not future.cancelled():
                self._free -= size
                future.set_result(None)
