"""Automatic deletion of files whose time is over: temporary files at their expiry, files in the trash at
their purge time. Files under retention or on hold stay.

Owners take turns (`rotation`). Each owner's files are deleted in a transaction of their own, and one by one
if that fails, so that neither a file that can't be deleted nor an owner's million files delay others.
"""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import UUID

from metadata_service.config import Timing
from metadata_service.db import rotation
from metadata_service.db.database import SYSTEM, Database, Statement, Transaction
from metadata_service.db.errors import statement_failed
from metadata_service.db.failing_parts import alone
from metadata_service.db.rotation import Rotation
from metadata_service.files import events
from metadata_service.files.deletion import remove_many
from metadata_service.files.retention import HELD
from metadata_service.usage import quota, tallies
from servicekit.outages import Outage

#: Files of each of the two kinds in one round.
BATCH: Final = 200
#: Files of an owner per turn.
OF_TURN: Final = 5
QUIET_SECONDS: Final = 60.0

#: Conditions and order of the indexes `files_expiring` and `files_ending`; `files_out_of_trash` and
#: `files_leaving_trash`.
_TEMPORARY: Final = "files.expires_at IS NOT NULL", "files.expires_at"
_TRASHED: Final = (
    "files.deleted_at IS NOT NULL AND files.held_at IS NULL",
    "GREATEST(files.purge_at, files.keep_until)",
)


def _oldest(which: str, ends: str) -> str:
    return f"""
    SELECT owner_id, id FROM files WHERE {which} AND {ends} <= now() AND NOT {HELD} ORDER BY {ends}
    LIMIT %(limit)s
"""


def _visited(which: str, ends: str) -> str:
    return rotation.visit(f"""
    SELECT owner_id, {ends} <= now() AS due FROM files WHERE {which} AND owner_id > visited.owner_id
    ORDER BY owner_id, {ends} LIMIT 1
""")


def _of_owners(which: str, ends: str) -> str:
    return rotation.of_each(f"""
        SELECT owner_id, id FROM files WHERE {rotation.TURN} AND {which} AND {ends} <= now() AND NOT {HELD}
        ORDER BY owner_id, {ends} LIMIT {OF_TURN}
    """)


OLDEST_TEMPORARY: Final = _oldest(*_TEMPORARY)
VISIT_TEMPORARY: Final = _visited(*_TEMPORARY)
TEMPORARY_OF_OWNERS: Final = _of_owners(*_TEMPORARY)
OLDEST_TRASHED: Final = _oldest(*_TRASHED)
VISIT_TRASHED: Final = _visited(*_TRASHED)
TRASHED_OF_OWNERS: Final = _of_owners(*_TRASHED)
_LOCK: Final = f"""
SELECT id, blob_id, size_bytes, deleted_at IS NULL FROM files
WHERE owner_id = %(owner)s AND id = ANY(%(ids)s) AND (expires_at <= now() OR purge_at <= now()) AND NOT {HELD}
FOR UPDATE SKIP LOCKED
"""


class EndedFiles:
    """A chore of the cleaner; one per process."""

    def __init__(self, timing: Timing) -> None:
        self._grace = timing.read_grace
        self._kinds = (
            Rotation(OLDEST_TEMPORARY, VISIT_TEMPORARY, TEMPORARY_OF_OWNERS),
            Rotation(OLDEST_TRASHED, VISIT_TRASHED, TRASHED_OF_OWNERS),
        )
        self._failing = Outage("file_not_ended", "files_end_again", quiet_seconds=QUIET_SECONDS)

    async def run(self, database: Database) -> int:
        """Delete (D1) a batch of files whose time is over. Returns how many. Raises DatabaseUnavailable."""
        ended = 0
        for owner_id, ids in (await database.transact(SYSTEM, self._look)).items():
            try:
                ended += await self._end(database, owner_id, list(ids))
            except Exception as error:
                if not statement_failed(error):
                    raise
                for file_id in ids:
                    ended += await alone(self._failing, partial(self._end, database, owner_id, [file_id]))
        return ended

    async def _look(self, tx: Transaction) -> dict[str, set[UUID]]:
        owners: dict[str, set[UUID]] = {}
        for kind in self._kinds:
            for owner_id, file_id in await kind.look(tx, BATCH):
                owners.setdefault(owner_id, set()).add(file_id)
        return owners

    async def _end(self, database: Database, owner_id: str, ids: list[UUID]) -> int:
        async def work(tx: Transaction) -> int:
            rows = await tx.fetch(_LOCK, {"owner": owner_id, "ids": ids})
            if rows:
                told = _counted_out(owner_id, {row[0]: row[2] for row in rows if row[3]})
                gone = [row[0] for row in rows], [row[1] for row in rows]
                await tx.batch([*told, *remove_many(owner_id, *gone, self._grace)])
            return len(rows)

        return await database.transact(SYSTEM, work)


def _counted_out(owner_id: str, visible: dict[UUID, int]) -> list[Statement]:
    """The events, tallies and usage of the `visible` files (id → bytes); those in the trash were counted out
    when they were hidden.
    """
    if not visible:
        return []
    ids = list(visible)
    return [
        events.files_deleted(owner_id, ids),
        tallies.many_became_invisible(owner_id, ids),
        quota.count(owner_id, -sum(visible.values()), -len(ids)),
    ]
