"""A periodic look for events of which no NOTIFY was received, one query for all waiters.

A NOTIFY can be lost. It can also come too early: an event is readable only when all older transactions have
ended.
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
    """A watcher that has read everything up to ``position``. ``woken`` is set when there may be more."""

    owner_id: str
    position: Position
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    reached: float = field(default_factory=time.monotonic)

    def reach(self, position: Position) -> None:
        """Record that the watcher has read up to ``position``."""
        self.position, self.reached = position, time.monotonic()

    def resume_token(self) -> str:
        """A token to continue from here after a silence of any length."""
        return self.position.after_silence(time.monotonic() - self.reached).token()


class Lookout:
    """Wakes waiters. Use ``waiting`` around a wait, and ``running`` while the process serves."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._waiters: set[Waiter] = set()

    @contextlib.contextmanager
    def waiting(self, waiter: Waiter) -> Iterator[None]:
        """Register ``waiter`` inside the block; its position must not change meanwhile."""
        self._waiters.add(waiter)
        try:
            yield
        finally:
            self._waiters.discard(waiter)

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Look every LOOK_SECONDS until the block ends."""
        heartbeat = heartbeats.add("event_look", LOOK_SECONDS)
        loop = BackgroundLoop(self.look, heartbeat, rest_seconds=LOOK_SECONDS, rest_first=True)
        async with background.running(loop):
            yield

    async def look(self) -> bool:
        """Wake the waiters that have events to read. Always returns False: the loop may rest. Raises
        DatabaseUnavailable.
        """
        waiters = list(self._waiters)
        if waiters:
            for number in await self._reader.behind([(one.owner_id, one.position) for one in waiters]):
                waiters[number].woken.set()
        return False
