"""Leader election among replicas: the leader is the one whose connection holds a lock.

The lock belongs to the session of a connection that stays open while the process lives. When the process
dies, the connection closes, and another replica gets the lock at its next try.
"""

from __future__ import annotations

import time
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection

#: Key for pg_try_advisory_lock; nothing else in this database uses it.
LOCK: Final = 7_305_148_221_019
TRY_SECONDS: Final = 4.0

Connection: TypeAlias = "AsyncConnection[tuple[Any, ...]]"


class Turn:
    """Whether this replica is the leader."""

    def __init__(self) -> None:
        self._held_by: Connection | None = None
        self._tried = -TRY_SECONDS

    @property
    def ours(self) -> bool:
        """Whether this replica holds the lock; true until its connection ends."""
        return self._held_by is not None and not self._held_by.closed

    async def take(self, connection: Connection) -> None:
        """Try to get the lock on ``connection``, at most every TRY_SECONDS. ``connection`` must stay open."""
        now = time.monotonic()
        if self._held_by is connection or now - self._tried < TRY_SECONDS:
            return
        self._tried = now
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        row = await cursor.fetchone()
        self._held_by = connection if row is not None and row[0] else None
