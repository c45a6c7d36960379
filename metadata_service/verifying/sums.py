"""Compares recorded usage, running counts of generations and totals of projects with the sums over the rows.

The sums of one owner are one statement and so one snapshot: a commit changes rows and counts together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.usage.quota import STRIPES
from metadata_service.verifying import project_sums
from metadata_service.verifying.partners import Step
from metadata_service.verifying.project_sums import told
from strongroom.metadata.v1 import verification_pb2 as pb

PAGE: Final = 50

#: An owner with a row in one of these has or had something. Each has an index that begins with the owner.
_OF_OWNERS: Final = (
    *("blobs", "usage", "files", "projects", "project_versions", "project_files"),
    *("generation_tallies", "generations", "event_media"),
)


def _first(after: str) -> str:
    """SQL: the first owner after this expression, over all those tables."""
    each = (f"(SELECT min(t.owner_id) FROM {table} AS t WHERE t.owner_id > {after})" for table in _OF_OWNERS)
    return f"least({', '.join(each)})"


# A loose index scan: jumps from owner to owner without reading the rows between.
_OWNERS: Final = f"""
WITH RECURSIVE owners AS (
    SELECT {_first("%(after)s")} AS owner_id
    UNION ALL
    SELECT {_first("owners.owner_id")} FROM owners WHERE owners.owner_id IS NOT NULL
)
SELECT owner_id FROM owners WHERE owner_id IS NOT NULL LIMIT {PAGE}
"""
_USAGE: Final = """
SELECT said.bytes, said.files, files.bytes + in_projects.bytes, files.files + in_projects.files
FROM (
    SELECT coalesce(sum(used_bytes), 0)::bigint AS bytes, coalesce(sum(file_count), 0)::bigint AS files
    FROM usage WHERE owner_id = %(owner)s
) AS said, (
    SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes, count(*) AS files
    FROM files WHERE owner_id = %(owner)s AND deleted_at IS NULL
) AS files, (
    SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes, count(*) AS files
    FROM project_files WHERE owner_id = %(owner)s
) AS in_projects
"""
_TALLIES: Final = """
SELECT type, day::text, coalesce(said.count, 0), coalesce(said.bytes, 0), coalesce(rows.count, 0),
    coalesce(rows.bytes, 0)
FROM (
    SELECT type, day, sum(count)::bigint AS count, sum(size_bytes)::bigint AS bytes FROM generation_tallies
    WHERE owner_id = %(owner)s GROUP BY type, day
) AS said FULL JOIN (
    SELECT detail.type, (files.created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS count,
        sum(files.size_bytes)::bigint AS bytes
    FROM generations AS detail
    JOIN files ON files.owner_id = detail.owner_id AND files.id = detail.file_id
    WHERE detail.owner_id = %(owner)s AND files.deleted_at IS NULL
    GROUP BY detail.type, day
) AS rows USING (type, day)
WHERE (coalesce(said.count, 0), coalesce(said.bytes, 0)) <> (coalesce(rows.count, 0), coalesce(rows.bytes, 0))
ORDER BY type, day
"""

# Adds the drift found in one snapshot, so that concurrent counts are not lost.
_RECOUNT_USAGE: Final = f"""
INSERT INTO usage (owner_id, stripe, used_bytes, file_count)
SELECT %(owner)s, pg_backend_pid() %% {STRIPES}, sums.bytes - sums.said_bytes, sums.files - sums.said_files
FROM ({_USAGE}) AS sums (said_bytes, said_files, bytes, files)
WHERE (sums.said_bytes, sums.said_files) <> (sums.bytes, sums.files)
ON CONFLICT (owner_id, stripe) DO UPDATE
SET used_bytes = usage.used_bytes + EXCLUDED.used_bytes, file_count = usage.file_count + EXCLUDED.file_count
"""
_RECOUNT_TALLIES: Final = f"""
INSERT INTO generation_tallies (owner_id, type, day, stripe, count, size_bytes)
SELECT %(owner)s, sums.type, sums.day::date, pg_backend_pid() %% {STRIPES}, sums.count - sums.said_count,
    sums.bytes - sums.said_bytes
FROM ({_TALLIES}) AS sums (type, day, said_count, said_bytes, count, bytes)
ON CONFLICT (owner_id, type, day, stripe) DO UPDATE
SET count = generation_tallies.count + EXCLUDED.count,
    size_bytes = generation_tallies.size_bytes + EXCLUDED.size_bytes
"""
_LOCK_SEED: Final = 0x5374  # separates these locks from others in the database
_LOCK: Final = f"SELECT pg_advisory_xact_lock(hashtextextended(%(owner)s, {_LOCK_SEED}))"


def recount(owner_id: str) -> Callable[[Transaction], Awaitable[bool]]:
    """Set usage and tallies to the sums over the rows. Returns whether they differed.

    Of two at the same time, the second sees the result of the first.
    """
    params = {"owner": owner_id}

    async def work(tx: Transaction) -> bool:
        await tx.fetch(_LOCK, params)
        return any(await tx.batch([(_RECOUNT_USAGE, params), (_RECOUNT_TALLIES, params)]))

    return work


async def owners_after(database: Database, after: str) -> list[str]:
    """The next PAGE of owners who have or had something, by name; fewer: there are no more."""
    return [row[0] for row in await database.read(SYSTEM, _OWNERS, {"after": after})]


class Sums:
    """Compares the counts of owners; one instance per process. Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, cursor: str) -> Step:
        """Check the next owners, in order."""
        owners = await owners_after(self._database, cursor)
        findings = [finding for owner in owners for finding in await self._of(owner)]
        following = owners[-1] if len(owners) == PAGE else ""
        return Step(findings, pb.VerificationCounts(owners=len(owners)), following)

    async def _of(self, owner: str) -> list[pb.Finding]:
        params = {"owner": owner}
        found = []
        ((said_bytes, said_files, size, files),) = await self._database.read(SYSTEM, _USAGE, params)
        if (said_bytes, said_files) != (size, files):
            found.append(
                pb.Finding(
                    kind=pb.FINDING_KIND_USAGE_DRIFT,
                    owner_id=owner,
                    size_bytes=abs(said_bytes - size),
                    expected=told(size, files, "file"),
                    found=told(said_bytes, said_files, "file"),
                )
            )
        for kind, day, said, said_bytes, count, size in await self._database.read(SYSTEM, _TALLIES, params):
            found.append(
                pb.Finding(
                    kind=pb.FINDING_KIND_TALLY_DRIFT,
                    owner_id=owner,
                    row=f"{kind}/{day}",
                    size_bytes=abs(said_bytes - size),
                    expected=told(size, count, "generation"),
                    found=told(said_bytes, said, "generation"),
                )
            )
        return found + await project_sums.check(self._database, owner)
