"""Turns of searches: what reads an owner's rows one by one may keep a connection and a core for seconds, so
one owner has one of them at a time, and all owners together only a part of the connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from servicekit.limits.counts import Cap, Places, Turns
from strongroom.errors import Overloaded

#: Searches of one owner that wait for the one that runs; further ones are refused.
MOST_WAITING: Final = 8
#: How long a search waits for its turn. Seconds. Its own time in the database begins after that.
WAIT_SECONDS: Final = 5.0
#: One of so many connections may be a search's.
CONNECTIONS_FOR_EACH: Final = 4
_EVERYBODY: Final = ""


class SearchTurns:
    """What searches of one process ask before they take a connection. ``connections``: of its pool."""

    def __init__(self, connections: int = 16, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._places = Places(Cap("owner_searches", "searches at once", 1 + MOST_WAITING))
        self._owners = Turns(1)
        self._everybody = Turns(max(1, connections // CONNECTIONS_FOR_EACH))

    @asynccontextmanager
    async def turn(self, owner_id: str) -> AsyncIterator[None]:
        """``async with``: the block is the turn. Enter it outside of a transaction and its time.

        Raises Overloaded: too many of this owner's wait already, or the turn did not come in time.
        """
        if not self._places.enter(owner_id):
            raise Overloaded(
                f"{1 + MOST_WAITING} of your searches run or wait already; try again in a moment.",
                retry_after=1.0,
            )
        held = []
        try:
            try:
                async with asyncio.timeout(self._wait_seconds):
                    held.append(await self._owners.turn(owner_id))
                    held.append(await self._everybody.turn(_EVERYBODY))
            except TimeoutError as error:
                raise Overloaded("Many searches run; try again in a moment.", retry_after=1.0) from error
            yield
        finally:
            for hold in reversed(held):
                hold.release()
            self._places.leave(owner_id)
