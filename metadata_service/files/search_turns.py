"""Turns of searches. A search reads an owner's rows one by one and may occupy a connection and a core for
seconds, so each owner runs one at a time, and all owners together use only a part of the connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from servicekit.limits.places import CappedPlaces
from strongroom.errors import Overloaded, RateLimited

#: Searches of one owner that may wait for the running one; more are refused.
MOST_WAITING: Final = 8
#: Seconds that a search waits for its turn. Its time limit in the database begins after that.
WAIT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
#: Connections of the pool per search that may run.
CONNECTIONS_FOR_EACH: Final = 4


class SearchTurns:
    """The turns of one process. ``connections``: size of its pool."""

    def __init__(self, connections: int = 16, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._places = CappedPlaces(max(1, connections // CONNECTIONS_FOR_EACH), per_owner=1)

    @asynccontextmanager
    async def turn(self, owner_id: str) -> AsyncIterator[None]:
        """Wait for the owner's turn and hold it during the block. Enter it outside of transactions.

        Raises RateLimited: the owner's own searches are in the way; Overloaded: those of others are.
        """
        if self._places.running(owner_id) + self._places.waiting(owner_id) > MOST_WAITING:
            raise _too_many(f"{1 + MOST_WAITING} of your searches run or wait already")
        try:
            async with asyncio.timeout(self._wait_seconds):
                turn = await self._places.take(owner_id)
        except TimeoutError as error:
            if self._places.running(owner_id):
                raise _too_many("Another of your searches still runs") from error
            raise Overloaded(
                "Many searches run; try again in a moment.", retry_after=RETRY_SECONDS
            ) from error
        try:
            yield
        finally:
            turn.release()


def _too_many(what: str) -> RateLimited:
    return RateLimited(
        f"{what}; try again in a moment.", retry_after=RETRY_SECONDS, metadata={"limit": "user_searches"}
    )
