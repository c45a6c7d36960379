"""Relinks committed rows to a copied bucket, whose version ids and entity tags are new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg.types.numeric import Int8

from metadata_service.blobs import upkeep
from metadata_service.db.database import SYSTEM, Database, Transaction
from servicekit import failpoints
from strongroom.metadata.v1.restoration_service_pb2 import MovedRow

BEFORE_RELINK: Final = failpoints.register("metadata.restore.relink.before_commit")
AFTER_RELINK: Final = failpoints.register("metadata.restore.relink.after_commit")

_OF_FILES: Final = """
UPDATE {table} AS shows SET version_id = given.version_id, etag = given.etag, damage = NULL
FROM unnest(%(owners)s::text[], %(ids)s::uuid[], %(versions)s::text[], %(etags)s::text[])
    AS given (owner_id, blob_id, version_id, etag)
WHERE shows.owner_id = given.owner_id AND shows.blob_id = given.blob_id
"""
_FILES: Final = _OF_FILES.format(table="files")
_PROJECT_FILES: Final = _OF_FILES.format(table="project_files")


class Relinker:
    """One instance per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def relink(self, rows: Sequence[MovedRow]) -> int:
        """Relink rows that are still as `rows` describes them. Returns how many. A repeat changes none."""

        async def work(tx: Transaction) -> int:
            changed = await upkeep.relink(tx, _columns(rows))
            if changed:
                owners, ids, versions, etags = (list(column) for column in zip(*changed, strict=True))
                shown = {"owners": owners, "ids": ids, "versions": versions, "etags": etags}
                await tx.batch([(_FILES, shown), (_PROJECT_FILES, shown)])
                await failpoints.hit(BEFORE_RELINK)
            return len(changed)

        changed = await self._database.transact(SYSTEM, work)
        await failpoints.hit(AFTER_RELINK)
        return changed


def _columns(rows: Sequence[MovedRow]) -> dict[str, object]:
    return {
        "owners": [row.owner_id for row in rows],
        "ids": [UUID(row.blob_id) for row in rows],
        "old": [row.old_version_id for row in rows],
        # Int8: psycopg derives the type of an array from its first number, and applies it to all arrays of
        # the statement.
        "sizes": [Int8(row.size_bytes) for row in rows],
        "crcs": [Int8(row.crc32c) for row in rows],
        "versions": [row.version_id for row in rows],
        "etags": [row.etag for row in rows],
    }
