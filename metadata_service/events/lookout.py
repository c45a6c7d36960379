"""Looks, once for everybody who waits, whether there are events that nobody told of.

A NOTIFY can be lost, and an event is readable only when every transaction older than its own has ended,
which is later than its NOTIFY if one of them takes long. One query per round holds for any number of
waiters.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Final

from metadata_service.events.reader import EventReader, Position
from servicekit import background
from servicekit.background import BackgroundLoop, Heartbeats

LOOK_SECONDS: Final = 3.0


@dataclass(eq=False, slots=True)
class Waiter:
    """Somebody who has read everything up to ``position``; ``woken`` is set when there may be more."""

    owner_id: str
    position: Position
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    reached: float = field(default_factory=time.monotonic)

    def reach(self, position: Position) -> None:
        """It has read on."""
        self.position, self.reached = position, time.monotonic()

    def resume_token(self) -> str:
        """To go on from here, after however long a silence."""
        return self.position.after_silence(time.monotonic() - self.reached).token()


class Lookout:
    """``waiting`` around a wait; ``running`` while the process serves."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._waiters: set[Waiter] = set()

    @contextlib.contextmanager
    def waiting(self, waiter: Waiter) -> Iterator[None]:
        """Count ``waiter`` in; its position must not change inside the block."""
        self._waiters.add(waiter)
        try:
            yield
        finally:
            self._waiters.discard(waiter)

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Look until the block ends."""
        heartbeat = heartbeats.add("event_look", LOOK_SECONDS)
        loop = BackgroundLoop(self.look, heartbeat, rest_seconds=LOOK_SECONDS, rest_first=True)
        async with background.running(loop):
            yield

    async def look(self) -> bool:
        """Wake whoever has events to read; False: nothing more is due. Raises DatabaseUnavailable."""
        waiters = list(self._waiters)
        if waiters:
            for number in await self._reader.behind([(one.owner_id, one.position) for one in waiters]):
                waiters[number].woken.set()
        return False
