"""Deletes ended shares after a while."""

from __future__ import annotations

from typing import Final

from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction

KEEP_SECONDS: Final = 30 * 86_400
_BATCH: Final = 200
_FORGET: Final = """
DELETE FROM shares USING (
    SELECT owner_id, id FROM shares
    WHERE least(revoked_at, expires_at) <= now() - make_interval(secs => %(keep)s) LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS old
WHERE shares.owner_id = old.owner_id AND shares.id = old.id
"""


async def run(database: Database, _: Timing) -> int:
    """One round. Returns the number of deleted rows."""

    async def work(tx: Transaction) -> int:
        return await tx.execute(_FORGET, {"keep": KEEP_SECONDS, "limit": _BATCH})

    return await database.transact(SYSTEM, work)
