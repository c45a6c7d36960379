"""Wakes whoever waits for an owner's events, in every process, soon after a commit.

NOTIFY takes a lock over the whole database until its commit is on disk, so it stays out of the transactions
that write events: after their commit the owner is noted, and one background connection tells all noted
owners together. A lost NOTIFY costs time only: ``looking`` finds what nobody told of.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, TypeAlias

import psycopg
from psycopg import AsyncConnection

from metadata_service.db.turn import Connection, Turn
from servicekit import background
from servicekit.background import BackgroundLoop, Heartbeat, Heartbeats

__all__ = ["APPLICATION", "CHANNEL", "Connection", "Waker", "connect"]

CHANNEL: Final = "strongroom_events"
#: What Postgres calls these connections; two for each process.
APPLICATION: Final = "strongroom-metadata-events"
EVERYBODY: Final = ""
"""Waits for the events of all users."""
GATHER_SECONDS: Final = 0.02
RECONNECT_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 5.0
"""So often a connection that has nothing to do is tried: one that has died without a word stays silent."""
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', owner) FROM unnest(%s::text[]) AS owner"
_WORLD: Final = (psycopg.Error, TimeoutError, OSError)

Connect: TypeAlias = Callable[[], Awaitable[Connection]]


class Waker:
    """``committed`` after a commit, ``waiting`` around a wait; ``running`` while the process serves.

    ``connect`` opens an autocommit connection of its own.
    """

    def __init__(
        self, connect: Connect, turn: Turn | None = None, heard: Callable[[str], None] | None = None
    ) -> None:
        """``turn``: tried for with the connection that tells, which is always open. ``heard``: told of each
        owner who has new events, whichever process has written them.
        """
        self._heard = heard
        self._connect = connect
        self._turn = turn
        self._noted: set[str] = set()
        self._something = asyncio.Event()
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def committed(self, owner_id: str) -> None:
        """A transaction of ``owner_id`` has committed and may have written events."""
        self._noted.add(owner_id)
        self._something.set()

    @contextlib.contextmanager
    def waiting(self, owner_id: str, woken: asyncio.Event) -> Iterator[None]:
        """Set ``woken`` whenever the owner may have new events."""
        self._waiters[owner_id].add(woken)
        try:
            yield
        finally:
            self._waiters[owner_id].discard(woken)
            if not self._waiters[owner_id]:
                del self._waiters[owner_id]

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Tell and listen until the block ends."""
        async with background.running(
            self._loop(self._tell, heartbeats.add("event_notify", CHECK_SECONDS)),
            self._loop(self._listen, heartbeats.add("event_listen", CHECK_SECONDS)),
        ):
            yield

    def _loop(
        self, work: Callable[[Connection, Heartbeat], Awaitable[None]], heartbeat: Heartbeat
    ) -> BackgroundLoop:
        """``work`` on a connection of its own, on a new one whenever that breaks."""

        async def once() -> bool:
            async with asyncio.timeout(CHECK_SECONDS):
                connection = await self._connect()
            async with connection:
                await work(connection, heartbeat)
            return False

        return BackgroundLoop(once, heartbeat, rest_seconds=RECONNECT_SECONDS, expected=_WORLD)

    async def _tell(self, connection: Connection, heartbeat: Heartbeat) -> None:
        while True:
            if self._turn is not None:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._turn.take(connection)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._something.wait()
                await asyncio.sleep(GATHER_SECONDS)
            self._something.clear()
            owners, self._noted = list(self._noted), set()
            try:
                await _execute(connection, _NOTIFY, (owners,))
            except BaseException:
                self._noted.update(owners)  # for the next connection
                self._something.set()
                raise
            heartbeat.passed()

    async def _listen(self, connection: Connection, heartbeat: Heartbeat) -> None:
        await _execute(connection, f"LISTEN {CHANNEL}")
        while True:
            async for notice in connection.notifies(timeout=CHECK_SECONDS):
                if self._heard is not None:
                    self._heard(notice.payload)
                for owner in (notice.payload, EVERYBODY):
                    for event in self._waiters.get(owner, ()):
                        event.set()
            await _execute(connection, "SELECT 1")
            heartbeat.passed()


async def _execute(connection: Connection, statement: str, params: tuple[list[str]] | None = None) -> None:
    """Raises TimeoutError where the server does not answer."""
    async with asyncio.timeout(CHECK_SECONDS):
        await connection.execute(statement, params)


async def connect(url: str) -> Connection:
    """A connection outside of the pool, in autocommit mode: LISTEN must stay where it is."""
    return await AsyncConnection.connect(url, autocommit=True, application_name=APPLICATION)
