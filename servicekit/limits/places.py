"""Places of a process that owners share. A free place goes to the owner whose turn it is, not to the owner
that has waited longest.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.limits.counts import Hold


class FairPlaces(ABC):
    """Hands out ``total`` places. Waiting owners take turns, whatever the order in which they came. For one
    event loop.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def free(self) -> int:
        """The number of places that are not held; waiting owners may not be allowed to take them."""
        return self._total - self._taken.total()

    def running(self, owner: str) -> int:
        """Places held by ``owner``."""
        return self._taken[owner]

    def waiting(self, owner: str) -> int:
        """The number of ``owner``'s waiters."""
        return len(self._waiting.get(owner, ()))

    async def take(self, owner: str) -> Hold:
        """Wait for a place, which is held until the hold is released."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given a place and cancelled at the same time
                self._give_back(owner)
            else:
                self._leave(owner, turn)
            raise
        return Hold(lambda: self._give_back(owner))

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """Wait for a place and hold it until the block ends."""
        hold = await self.take(owner)
        try:
            yield
        finally:
            hold.release()

    @abstractmethod
    def _may_have(self, owner: str) -> bool:
        """Whether ``owner`` may take a free place, if there is one."""

    def _give_back(self, owner: str) -> None:
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        if owner in self._waiting:  # the owner that had a place until now comes last
            self._waiting.move_to_end(owner)
        self._admit()

    def _leave(self, owner: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(owner)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[owner]

    def _admit(self) -> None:
        """Give out the places that may be taken, to one owner after the other."""
        while self._taken.total() < self._total:
            owner = next(filter(self._may_have, self._waiting), None)
            if owner is None:
                return
            queue = self._waiting[owner]
            turn = queue.popleft()
            self._waiting.move_to_end(owner)
            if not queue:
                del self._waiting[owner]
            if not turn.cancelled():  # a cancelled one leaves when its task runs
                self._taken[owner] += 1
                turn.set_result(None)


class CappedPlaces(FairPlaces):
    """Each owner gets at most ``per_owner`` of the places."""

    def __init__(self, total: int, per_owner: int) -> None:
        super().__init__(total)
        self._per_owner = per_owner

    def _may_have(self, owner: str) -> bool:
        return self._taken[owner] < self._per_owner


class Halves(FairPlaces):
    """Each owner gets at most half of what the others leave, and at least one while there is any: of 16
    places two owners together have 12, and four have 15.
    """

    def _may_have(self, owner: str) -> bool:
        mine = self._taken[owner]
        left = self._total - (self._taken.total() - mine)
        return mine < max(1, left // 2)
