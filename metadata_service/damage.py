"""Damaged objects reported by storage_service: the owner of a file that shows one gets an event.

Key and version id identify the object; the rows tell its owner and name. Repeated reports of the same damage
give one event an hour.
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs import upkeep
from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Row, Statement, Transaction, user
from metadata_service.files.events import file_damaged
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from metadata_service.projects.events import OF_CONTENT, project_file_damaged
from strongroom.enum_words import enum_word
from strongroom.metadata.v1.reservation_service_pb2 import Damage

AGAIN_SECONDS: Final = 3600

# One branch for each of the two partial indexes of `key`.
_OWNER: Final = f"""
SELECT owner_id, id FROM blobs
WHERE key = %(key)s AND version_id = %(version)s AND state = {COMMITTED} AND NOT key_shared
UNION ALL
SELECT owner_id, id FROM blobs
WHERE key = %(key)s AND version_id = %(version)s AND state = {COMMITTED} AND key_shared
"""
_FILE: Final = f"""
SELECT {COLUMNS} FROM files WHERE owner_id = %(owner)s AND blob_id = %(blob)s AND {VISIBLE}
"""


class DamageReports:
    """Takes reports; one instance per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, key: str, version_id: str, damage: Damage.ValueType) -> bool:
        """Record a report. Returns whether an event was written; False: no file shows the object, or the
        owner knows.

        Raises DatabaseUnavailable.
        """
        rows = await self._database.read(SYSTEM, _OWNER, {"key": key, "version": version_id})
        name = enum_word(Damage.DESCRIPTOR, damage)
        told = [await self._tell(row, name) for row in rows]
        return any(told)

    async def _tell(self, row: Row, damage: str) -> bool:
        """In the owner's scope, to wake watchers."""
        owner_id, blob_id = row
        params = {"owner": owner_id, "blob": blob_id}

        async def work(tx: Transaction) -> bool:
            event = await _event(tx, params, damage)
            if event is None or not await upkeep.tell_damage(tx, owner_id, blob_id, AGAIN_SECONDS):
                return False
            await tx.batch([event])
            return True

        return await self._database.transact(user(owner_id), work)


async def _event(tx: Transaction, params: dict[str, object], damage: str) -> Statement | None:
    """The event about what shows the object; None if nothing does."""
    files, in_projects = await tx.fetch_batch([(_FILE, params), (OF_CONTENT, params)])
    for row in files:
        return file_damaged(to_file(row), damage)
    for row in in_projects:
        return project_file_damaged(row, damage)
    return None
