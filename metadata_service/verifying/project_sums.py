"""Compares the recorded files and bytes of an owner's projects and versions with the sums over their files.

It also finds rows that have lost the row they belong to. Each statement is one snapshot, and a save commits
all of it together.
"""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import SYSTEM, Database, Transaction
from strongroom.metadata.v1 import verification_pb2 as pb

#: The most findings per owner about rows without partner, of each sort.
MOST: Final = 100
# What each version adds and removes, summed up along the versions: a file belongs to many of them.
_SUMS: Final = """
WITH changes AS (
    SELECT project_id, from_version AS version, count(*) AS files, sum(size_bytes) AS bytes
    FROM project_files WHERE owner_id = %(owner)s GROUP BY project_id, from_version
    UNION ALL
    SELECT project_id, until_version, -count(*), -sum(size_bytes)
    FROM project_files WHERE owner_id = %(owner)s AND until_version IS NOT NULL
    GROUP BY project_id, until_version
    UNION ALL
    SELECT project_id, version, 0, 0 FROM project_versions WHERE owner_id = %(owner)s
), sums AS (
    SELECT DISTINCT project_id, version, sum(files) OVER upwards AS files, sum(bytes) OVER upwards AS bytes
    FROM changes WINDOW upwards AS (PARTITION BY project_id ORDER BY version)
)
"""
_DRIFTED: Final = f"""
{_SUMS}
SELECT said.project_id::text, said.version, said.is_newest, said.size_bytes, said.file_count,
    sums.bytes::bigint, sums.files::bigint
FROM (
    SELECT project_id, version, false AS is_newest, file_count, size_bytes FROM project_versions
    WHERE owner_id = %(owner)s
    UNION ALL
    SELECT id, version, true, file_count, size_bytes FROM projects WHERE owner_id = %(owner)s AND version > 0
) AS said JOIN sums USING (project_id, version)
WHERE (said.file_count, said.size_bytes) <> (sums.files, sums.bytes)
ORDER BY 1, 2, 3
"""
_WITHOUT_VERSION: Final = """
SELECT 'project/' || id || '@' || version, 'its newest version' FROM projects
WHERE owner_id = %(owner)s AND version > 0 AND NOT EXISTS (
    SELECT FROM project_versions AS versions WHERE versions.owner_id = projects.owner_id
        AND versions.project_id = projects.id AND versions.version = projects.version)
"""
_WITHOUT_PROJECT: Final = """
SELECT DISTINCT 'project/' || project_id, 'the project' FROM (
    SELECT owner_id, project_id FROM project_versions WHERE owner_id = %(owner)s
    UNION SELECT owner_id, project_id FROM project_files WHERE owner_id = %(owner)s
) AS children
WHERE NOT EXISTS (
    SELECT FROM projects WHERE projects.owner_id = children.owner_id AND projects.id = children.project_id)
"""
_WITHOUT_FILE: Final = " UNION ALL ".join(
    f"""
SELECT '{table}/' || file_id, 'the file' FROM {table} AS detail
WHERE owner_id = %(owner)s AND NOT EXISTS (
    SELECT FROM files WHERE files.owner_id = detail.owner_id AND files.id = detail.file_id)
"""
    for table in ("generations", "event_media")
)
_WITHOUT_PARTNER: Final = " UNION ALL ".join(
    f"(SELECT * FROM ({statement}) AS rows ORDER BY 1 LIMIT {MOST})"
    for statement in (_WITHOUT_VERSION, _WITHOUT_PROJECT, _WITHOUT_FILE)
)
# A concurrent commit of a save waits, or is done: the next statements see its version.
_LOCK: Final = "SELECT FROM projects WHERE owner_id = %(owner)s ORDER BY id FOR UPDATE"
_RECOUNT_VERSIONS: Final = f"""
{_SUMS}
UPDATE project_versions AS said SET file_count = sums.files, size_bytes = sums.bytes FROM sums
WHERE said.owner_id = %(owner)s AND said.project_id = sums.project_id AND said.version = sums.version
    AND (said.file_count, said.size_bytes) <> (sums.files, sums.bytes)
"""
_RECOUNT_PROJECTS: Final = f"""
{_SUMS}
UPDATE projects AS said SET file_count = sums.files, size_bytes = sums.bytes FROM sums
WHERE said.owner_id = %(owner)s AND said.id = sums.project_id AND said.version = sums.version
    AND (said.file_count, said.size_bytes) <> (sums.files, sums.bytes)
"""


def told(size: int, count: int, one: str) -> str:
    """``1 byte, 2 files``."""
    return f"{size} {'byte' if size == 1 else 'bytes'}, {count} {one if count == 1 else one + 's'}"


async def check(database: Database, owner: str) -> list[pb.Finding]:
    """Findings about one owner's projects. Raises DatabaseUnavailable."""
    params = {"owner": owner}
    found = [
        pb.Finding(
            kind=pb.FINDING_KIND_TALLY_DRIFT,
            owner_id=owner,
            row=f"project/{project}" if is_newest else f"project/{project}@{version}",
            size_bytes=abs(said_bytes - size),
            expected=told(size, files, "file"),
            found=told(said_bytes, said_files, "file"),
        )
        for project, version, is_newest, said_bytes, said_files, size, files in await database.read(
            SYSTEM, _DRIFTED, params
        )
    ]
    return found + [
        pb.Finding(kind=pb.FINDING_KIND_DETAIL_MISSING, owner_id=owner, row=row, expected=expected)
        for row, expected in await database.read(SYSTEM, _WITHOUT_PARTNER, params)
    ]


async def recount(tx: Transaction, owner: str) -> bool:
    """Set the totals of projects and versions to the sums over their files. Returns whether any differed."""
    params = {"owner": owner}
    await tx.fetch(_LOCK, params)
    return any(await tx.batch([(_RECOUNT_VERSIONS, params), (_RECOUNT_PROJECTS, params)]))
