"""Wakes whoever waits for an owner's events, in every process, soon after a commit.

NOTIFY takes a lock over the whole database until its commit is on disk, so it stays out of the transactions
that write events: after their commit the owner is noted, and one background connection tells all noted
owners together. A lost NOTIFY costs time only: waiters also look by themselves every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias

import psycopg
import structlog
from psycopg import AsyncConnection

CHANNEL: Final = "strongroom_events"
GATHER_SECONDS: Final = 0.02
RECONNECT_SECONDS: Final = 1.0
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', owner) FROM unnest(%s::text[]) AS owner"

Connection: TypeAlias = "AsyncConnection[tuple[Any, ...]]"
Connect: TypeAlias = Callable[[], Awaitable[Connection]]

log = structlog.get_logger(__name__)


class Waking:
    """``committed`` after a commit, ``waiting`` around a wait; ``running`` while the process serves.

    ``connect`` opens an autocommit connection of its own.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._noted: set[str] = set()
        self._something = asyncio.Event()
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def committed(self, owner_id: str) -> None:
        """A transaction of ``owner_id`` has committed and may have written events."""
        self._noted.add(owner_id)
        self._something.set()

    @contextlib.contextmanager
    def waiting(self, owner_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the owner may have new events."""
        event = asyncio.Event()
        self._waiters[owner_id].add(event)
        try:
            yield event
        finally:
            self._waiters[owner_id].discard(event)
            if not self._waiters[owner_id]:
                del self._waiters[owner_id]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell and listen until the block ends."""
        tasks = [
            asyncio.create_task(self._again_and_again(work), name=work.__name__)
            for work in (self._tell, self._listen)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _again_and_again(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    await work(connection)
            except psycopg.Error as error:
                log.warning("waking_interrupted", work=work.__name__, error=type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _tell(self, connection: Connection) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._something.clear()
            owners, self._noted = list(self._noted), set()
            await connection.execute(_NOTIFY, (owners,))

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {CHANNEL}")
        async for notice in connection.notifies():
            for event in self._waiters.get(notice.payload, ()):
                event.set()


async def connect(url: str) -> Connection:
    """A connection outside of the pool, in autocommit mode: LISTEN must stay where it is."""
    return await AsyncConnection.connect(url, autocommit=True, application_name="strongroom-metadata-events")
