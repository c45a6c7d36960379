"""Places of a process that owners share: a free one goes to the owner whose turn it is, not to whoever has
waited longest.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.limits.counts import Hold


class FairPlaces(ABC):
    """``total`` places. Owners who wait take turns, whoever came first. Used by one event loop."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def free(self) -> int:
        """Places that nobody has; those who wait may not have them."""
        return self._total - self._taken.total()

    def running(self, owner: str) -> int:
        """Places that ``owner`` has."""
        return self._taken[owner]

    def waiting(self, owner: str) -> int:
        """How many of ``owner`` wait for a place."""
        return len(self._waiting.get(owner, ()))

    async def take(self, owner: str) -> Hold:
        """Wait for a place, which is free again when the hold is released."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given a place and cancelled at once
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
        """Whether ``owner`` may have one of the places that are left, if there are any."""

    def _give_back(self, owner: str) -> None:
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        if owner in self._waiting:  # whoever had a place until now is the last to have the next one
            self._waiting.move_to_end(owner)
        self._admit()

    def _leave(self, owner: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(owner)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[owner]

    def _admit(self) -> None:
        """Give out what may be given, an owner at a time."""
        while self._taken.total() < self._total:
            owner = next(filter(self._may_have, self._waiting), None)
            if owner is None:
                return
            queue = self._waiting[owner]
            turn = queue.popleft()
            self._waiting.move_to_end(owner)
            if not queue:
                del self._waiting[owner]
            if not turn.cancelled():  # one that is leaves as soon as it is its task's turn
                self._taken[owner] += 1
                turn.set_result(None)


class CappedPlaces(FairPlaces):
    """Each owner has ``per_owner`` of the places at most."""

    def __init__(self, total: int, per_owner: int) -> None:
        super().__init__(total)
        self._per_owner = per_owner

    def _may_have(self, owner: str) -> bool:
        return self._taken[owner] < self._per_owner


class Halves(FairPlaces):
    """Each owner has half of what the others leave at most, and one as long as there is any: of 16 places
    two owners together have 12, and four have 15.
    """

    def _may_have(self, owner: str) -> bool:
        mine = self._taken[owner]
        left = self._total - (self._taken.total() - mine)
        return mine < max(1, left // 2)
