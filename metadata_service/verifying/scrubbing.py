"""Chooses the committed objects that the scrub reads next, those whose last check is oldest; marks damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from metadata_service.blobs import scrubs
from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Statement, Transaction
from metadata_service.verifying.keys import KeyRows
from strongroom.metadata.v1 import verification_service_pb2 as pb

#: Enough to read a batch at a low rate. The claims of a dead replica last this long.
CLAIM_SECONDS: Final = 3600.0
#: The least time between two reads of an object.
PAUSE_SECONDS: Final = 7 * 86400.0
LARGEST_BATCH: Final = 200
#: Counting stops here: beyond it the figure only has to say "many".
MOST_COUNTED: Final = 100_000

_COVERAGE: Final = f"""
SELECT (SELECT scrubbed_at FROM blobs WHERE state = {COMMITTED} ORDER BY scrub_after NULLS FIRST LIMIT 1),
    (SELECT count(*) FROM (
        SELECT 1 FROM blobs WHERE state = {COMMITTED} AND scrub_after IS NULL LIMIT {MOST_COUNTED}) AS never)
"""


_SHOWN: Final = """
UPDATE {table} SET damage = %(damage)s::smallint FROM blobs
WHERE blobs.owner_id = %(owner)s AND blobs.id = %(id)s AND {table}.owner_id = blobs.owner_id
    AND {table}.blob_id = blobs.id AND {table}.damage IS DISTINCT FROM %(damage)s::smallint
"""
_FILES: Final = _SHOWN.format(table="files")
_PROJECT_FILES: Final = _SHOWN.format(table="project_files")


def _marks_of_files(values: Mapping[str, Any]) -> list[Statement]:
    """Statements that mark what shows a blob, in addition to the blob itself; `damage` None: unmark."""
    return [(_FILES, values), (_PROJECT_FILES, values)]


async def mark(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Mark blob `owner`, `id`, if it is committed as `version_id`. False: it is not, or no longer."""
    if not await tx.execute(*scrubs.mark(values)):
        return False
    await tx.batch(_marks_of_files(values))
    return True


@dataclass(frozen=True, slots=True)
class Claim:
    """What to read back; when the next object after these was last checked (None: never, or there is none);
    and how many were never checked (at most MOST_COUNTED).
    """

    rows: list[pb.KeyRow]
    oldest: datetime | None
    unchecked: int


class Scrubbing:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = KeyRows(database)

    async def claim(self, limit: int) -> Claim:
        """Due objects, claimed for this caller."""
        params = {"limit": min(max(limit, 1), LARGEST_BATCH), "claim": CLAIM_SECONDS}
        claimed = await self._database.transact(SYSTEM, lambda tx: tx.fetch(scrubs.CLAIM, params))
        wanted = {(owner, str(blob_id)): None for _, owner, blob_id in claimed}
        rows = await self._keys.at(sorted({row[0] for row in claimed})) if claimed else []
        ((oldest, unchecked),) = await self._database.read(SYSTEM, _COVERAGE)
        return Claim([row for row in rows if (row.owner_id, row.blob_id) in wanted], oldest, unchecked)

    async def report(self, results: Sequence[pb.ScrubResult]) -> None:
        """Record results, in the order of the primary key, so that two reports never deadlock."""
        found = sorted((result.owner_id, UUID(result.blob_id), result.damage or None) for result in results)
        statements: list[Statement] = []
        for owner, blob_id, damage in found:
            values = {"owner": owner, "id": blob_id, "damage": damage, "pause": PAUSE_SECONDS}
            statements += [scrubs.checked(values), *_marks_of_files(values)]

        async def work(tx: Transaction) -> None:
            await tx.batch(statements)

        if statements:
            await self._database.transact(SYSTEM, work)
