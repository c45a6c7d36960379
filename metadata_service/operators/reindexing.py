"""Rebuilds rows derived from others: usage and statistics of owners, files and bytes of projects and
versions.

Each is a short transaction, and concurrent counts are not lost. Indexes are not included: only the owner of
the tables may rebuild them (`strongroom reindex`, docs/admin.md).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.verifying.sums import PAGE, owners_after, recount
from strongroom.metadata.v1 import replica_pb2 as pb

_PROJECTS: Final = "SELECT id::text FROM projects WHERE owner_id = %(owner)s AND version > 0 ORDER BY id"
# A concurrent commit of a save waits, or is done: the next statement sees its version.
_LOCK: Final = "SELECT FROM projects WHERE owner_id = %(owner)s AND id = %(project)s FOR UPDATE"
_SUMS: Final = """
SELECT versions.version, count(files.path) AS files, coalesce(sum(files.size_bytes), 0)::bigint AS bytes
FROM project_versions AS versions LEFT JOIN project_files AS files
    ON files.owner_id = versions.owner_id AND files.project_id = versions.project_id
    AND files.from_version <= versions.version
    AND (files.until_version IS NULL OR files.until_version > versions.version)
WHERE versions.owner_id = %(owner)s AND versions.project_id = %(project)s
GROUP BY versions.version
"""
_VERSIONS: Final = f"""
UPDATE project_versions AS versions SET file_count = sums.files, size_bytes = sums.bytes
FROM ({_SUMS}) AS sums
WHERE versions.owner_id = %(owner)s AND versions.project_id = %(project)s AND versions.version = sums.version
    AND (versions.file_count, versions.size_bytes) <> (sums.files, sums.bytes)
"""
_PROJECT: Final = """
UPDATE projects SET file_count = versions.file_count, size_bytes = versions.size_bytes
FROM project_versions AS versions
WHERE projects.owner_id = %(owner)s AND projects.id = %(project)s AND versions.owner_id = projects.owner_id
    AND versions.project_id = projects.id AND versions.version = projects.version
    AND (projects.file_count, projects.size_bytes) <> (versions.file_count, versions.size_bytes)
"""


class Reindexing:
    """One instance per process. Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, owner_id: str = "") -> AsyncGenerator[pb.ReindexResponse]:
        """Rebuild one owner's rows, or everybody's. Yields the progress. May be stopped and repeated."""
        done = pb.ReindexResponse()
        if owner_id:
            await self._owner(owner_id, done)
            yield done
            return
        after = ""
        while True:
            owners = await owners_after(self._database, after)
            for owner in owners:
                await self._owner(owner, done)
            yield done
            if len(owners) < PAGE:
                return
            after = owners[-1]

    async def _owner(self, owner: str, done: pb.ReindexResponse) -> None:
        done.owners += 1
        done.recounted += await self._database.transact(SYSTEM, recount(owner))
        for (project,) in await self._database.read(SYSTEM, _PROJECTS, {"owner": owner}):
            params = {"owner": owner, "project": project}

            async def work(tx: Transaction, params: dict[str, object] = params) -> int:
                await tx.fetch(_LOCK, params)
                return sum(await tx.batch([(_VERSIONS, params), (_PROJECT, params)]))

            done.projects += await self._database.transact(SYSTEM, work)
