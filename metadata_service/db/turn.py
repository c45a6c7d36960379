"""Which replica does what only one has to do: the one whose connection holds a lock.

The lock belongs to the session of a connection that stays open for as long as its process lives. When the
process dies, so does the connection, and another replica gets the lock with its next try.
"""

from __future__ import annotations

import time
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection

#: Of pg_try_advisory_lock: any number that nobody else takes in this database.
LOCK: Final = 7_305_148_221_019
TRY_SECONDS: Final = 4.0

Connection: TypeAlias = "AsyncConnection[tuple[Any, ...]]"


class Turn:
    """Whether it is this replica that looks: it holds a lock of its connection's session."""

    def __init__(self) -> None:
        self._held_by: Connection | None = None
        self._tried = -TRY_SECONDS

    @property
    def ours(self) -> bool:
        """Until the connection ends."""
        return self._held_by is not None and not self._held_by.closed

    async def take(self, connection: Connection) -> None:
        """Try to get it, every few seconds at most; ``connection`` stays open for as long as it can."""
        now = time.monotonic()
        if self._held_by is connection or now - self._tried < TRY_SECONDS:
            return
        self._tried = now
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        row = await cursor.fetchone()
        self._held_by = connection if row is not None and row[0] else None
