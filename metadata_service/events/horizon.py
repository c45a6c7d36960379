"""Up to which transaction events are readable: all older ones of this database have ended.

The xmin of a snapshot is the whole server's. One long transaction in another database would hide every event
here for as long as it lasts, so transactions of other databases are left out once they are known. A
transaction belongs to one database for ever: what is known about one needs no second look.
"""

from __future__ import annotations

import time
from typing import Final

from metadata_service.db.database import SYSTEM, Database

LOOK_SECONDS: Final = 3.0
#: An id of SQL; parameter `elsewhere` as in `Horizon.params`. Events below it are readable.
HORIZON: Final = """
coalesce((SELECT running FROM pg_snapshot_xip(pg_current_snapshot()) AS running
    WHERE running <> ALL(%(elsewhere)s::text[]::xid8[]) ORDER BY running LIMIT 1),
    pg_snapshot_xmax(pg_current_snapshot()))
"""
# A prepared transaction has no process, and is not left out: it may be of this database.
_ELSEWHERE: Final = """
SELECT running::text FROM pg_snapshot_xip(pg_current_snapshot()) AS running
JOIN pg_locks ON locktype = 'transactionid' AND granted AND transactionid = running::xid
    AND mode = 'ExclusiveLock'
JOIN pg_stat_activity AS holder ON holder.pid = pg_locks.pid AND holder.datname <> current_database()
"""


class Horizon:
    """Knows the running transactions of other databases. One instance per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = 0.0
        self._elsewhere: list[str] = []

    async def params(self) -> dict[str, object]:
        """The parameter of `HORIZON`, at most `LOOK_SECONDS` old. Raises DatabaseUnavailable."""
        if time.monotonic() >= self._due:
            self._elsewhere = [xid for (xid,) in await self._database.read(SYSTEM, _ELSEWHERE)]
            self._due = time.monotonic() + LOOK_SECONDS
        return {"elsewhere": self._elsewhere}
