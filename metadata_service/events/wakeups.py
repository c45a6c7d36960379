"""Wakes the watchers of an owner's events, in every process, soon after a commit.

NOTIFY locks the whole database until its commit is on disk, so the transactions that write events don't send
it. After their commit the owner is noted, and a background connection notifies all noted owners together. A
lost NOTIFY only costs time: the Lookout finds the events.
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
#: The application name of these connections, two per process.
APPLICATION: Final = "strongroom-metadata-events"
EVERYBODY: Final = ""
"""The key of those who wait for the events of all users."""
GATHER_SECONDS: Final = 0.02
RECONNECT_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 5.0
"""Seconds between two checks of an idle connection: a dead one may raise no error by itself."""
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', owner) FROM unnest(%s::text[]) AS owner"
_WORLD: Final = (psycopg.Error, TimeoutError, OSError)

Connect: TypeAlias = Callable[[], Awaitable[Connection]]


class Waker:
    """Notifies other processes and wakes waiters.

    Use ``committed`` after a commit, ``waiting`` around a wait, and ``running`` while the process serves.
    ``connect`` opens a new autocommit connection.
    """

    def __init__(
        self, connect: Connect, turn: Turn | None = None, heard: Callable[[str], None] | None = None
    ) -> None:
        """``turn``: taken with the notifying connection, which is always open. ``heard``: called with each
        owner who has new events, whichever process wrote them.
        """
        self._heard = heard
        self._connect = connect
        self._turn = turn
        self._noted: set[str] = set()
        self._something = asyncio.Event()
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def committed(self, owner_id: str) -> None:
        """Note that a transaction of ``owner_id`` has committed and may have written events."""
        self._noted.add(owner_id)
        self._something.set()

    @contextlib.contextmanager
    def waiting(self, owner_id: str, woken: asyncio.Event) -> Iterator[None]:
        """Set ``woken`` whenever the owner may have new events, until the block ends."""
        self._waiters[owner_id].add(woken)
        try:
            yield
        finally:
            self._waiters[owner_id].discard(woken)
            if not self._waiters[owner_id]:
                del self._waiters[owner_id]

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Notify and listen until the block ends."""
        async with background.running(
            self._loop(self._tell, heartbeats.add("event_notify", CHECK_SECONDS)),
            self._loop(self._listen, heartbeats.add("event_listen", CHECK_SECONDS)),
        ):
            yield

    def _loop(
        self, work: Callable[[Connection, Heartbeat], Awaitable[None]], heartbeat: Heartbeat
    ) -> BackgroundLoop:
        """Run ``work`` on a connection of its own, and on a new one whenever that fails."""

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
    """Run a statement. Raises TimeoutError if the server does not answer."""
    async with asyncio.timeout(CHECK_SECONDS):
        await connection.execute(statement, params)


async def connect(url: str) -> Connection:
    """A connection outside of the pool, in autocommit mode, because LISTEN belongs to one session."""
    return await AsyncConnection.connect(url, autocommit=True, application_name=APPLICATION)
