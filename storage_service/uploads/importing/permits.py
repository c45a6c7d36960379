"""How many imports run at once, shared fairly: a source that says nothing holds its permit for minutes, and
nobody may hold all of them. And how many one user may have, running or waiting for their turn.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from servicekit.context import current_principal
from strongroom.errors import RateLimited
from strongroom.metadata.v1.target_pb2 import UploadSpec

SURE: Final = 2
"""Places that each owner may have as long as there are any."""
SPARE: Final = 4
"""An owner gets more than that only while fewer than one place in this many is taken."""


class FairPermits:
    """``total`` places; one owner has up to ``per_owner`` of them, two once the process is busy.

    Owners who wait take turns, whoever came first. Used by one event loop.
    """

    def __init__(self, total: int, per_owner: int) -> None:
        self._total = total
        self._per_owner = per_owner
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def running(self, owner: str) -> int:
        """Places that ``owner`` has."""
        return self._taken[owner]

    def waiting(self, owner: str) -> int:
        """How many of ``owner`` wait for a place."""
        return len(self._waiting.get(owner, ()))

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self._take(owner)
        try:
            yield
        finally:
            self._give_back(owner)

    def _give_back(self, owner: str) -> None:
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        self._admit()

    async def _take(self, owner: str) -> None:
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

    def _leave(self, owner: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(owner)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[owner]

    def _admit(self) -> None:
        """Give out what may be given, an owner at a time."""
        while (owner := next(filter(self._may_have, self._waiting), None)) is not None:
            queue = self._waiting[owner]
            turn = queue.popleft()
            self._waiting.move_to_end(owner)
            if not queue:
                del self._waiting[owner]
            if not turn.cancelled():  # one that is leaves as soon as it is its task's turn
                self._taken[owner] += 1
                turn.set_result(None)

    def _may_have(self, owner: str) -> bool:
        taken, mine = self._taken.total(), self._taken[owner]
        if taken >= self._total or mine >= self._per_owner:
            return False
        return mine < SURE or taken < self._total // SPARE


#: As in metrics and errors, beside the limits of servicekit.
LIMIT = "user_queued_imports"
#: When it is worth asking again: a proposal, as nobody knows how long a source takes. Seconds.
RETRY_AFTER = 2.0


class ImportQueue:
    """At most ``most`` per owner; 0: no cap. A batch counts as many as it has items."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queued: Counter[str] = Counter()

    @contextmanager
    def places(self, specs: Sequence[UploadSpec]) -> Iterator[None]:
        """Count ``specs`` for their owners until the block ends: all of them or none.

        :raises RateLimited: an owner would have too many.
        """
        caller = current_principal().subject
        wanted = Counter(spec.user_id or caller for spec in specs)
        for owner, count in wanted.items():
            # A batch is let in where it is alone: it would be refused for ever.
            if self._most and self._queued[owner] and self._queued[owner] + count > self._most:
                raise RateLimited(
                    f"Too many: you may have {self._most} imports running and waiting, and have"
                    f" {self._queued[owner]}; this request brings {count} more. Try again when some are"
                    " done.",
                    retry_after=RETRY_AFTER,
                    metadata={"limit": LIMIT},
                )
        self._queued.update(wanted)
        try:
            yield
        finally:
            self._queued.subtract(wanted)
            for owner in wanted:
                if not self._queued[owner]:
                    del self._queued[owner]
