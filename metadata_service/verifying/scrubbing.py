"""Which committed objects the scrub reads back next: those whose last check is the longest ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from metadata_service.blobs import scrubs
from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Statement, Transaction
from metadata_service.verifying import marks
from metadata_service.verifying.keys import KeyRows
from strongroom.metadata.v1 import verification_service_pb2 as pb

#: A claim covers reading a batch at a low rate; a replica that dies leaves its claims for so long.
CLAIM_SECONDS: Final = 3600.0
#: An object is not read back again before.
PAUSE_SECONDS: Final = 7 * 86400.0
LARGEST_BATCH: Final = 200
#: Never counted further: beyond it a figure only has to say "many".
MOST_COUNTED: Final = 100_000

_COVERAGE: Final = f"""
SELECT (SELECT scrubbed_at FROM blobs WHERE state = {COMMITTED} ORDER BY scrub_after NULLS FIRST LIMIT 1),
    (SELECT count(*) FROM (
        SELECT 1 FROM blobs WHERE state = {COMMITTED} AND scrub_after IS NULL LIMIT {MOST_COUNTED}) AS never)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """What to read back; when the one that is next after these was checked last (None: never, or there is
    none), and how many never were (at most MOST_COUNTED).
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
        """Committed objects that are due, for this caller alone."""
        params = {"limit": min(max(limit, 1), LARGEST_BATCH), "claim": CLAIM_SECONDS}
        claimed = await self._database.transact(SYSTEM, lambda tx: tx.fetch(scrubs.CLAIM, params))
        wanted = {(owner, str(blob_id)): None for _, owner, blob_id in claimed}
        rows = await self._keys.at(sorted({row[0] for row in claimed})) if claimed else []
        ((oldest, unchecked),) = await self._database.read(SYSTEM, _COVERAGE)
        return Claim([row for row in rows if (row.owner_id, row.blob_id) in wanted], oldest, unchecked)

    async def report(self, results: Sequence[pb.ScrubResult]) -> None:
        """What was seen. In the order of the primary key, so that two reports never wait for each other."""
        found = sorted((result.owner_id, UUID(result.blob_id), result.damage or None) for result in results)
        statements: list[Statement] = []
        for owner, blob_id, damage in found:
            values = {"owner": owner, "id": blob_id, "damage": damage, "pause": PAUSE_SECONDS}
            statements += [scrubs.checked(values), *marks.shown(values)]

        async def work(tx: Transaction) -> None:
            await tx.batch(statements)

        if statements:
            await self._database.transact(SYSTEM, work)
