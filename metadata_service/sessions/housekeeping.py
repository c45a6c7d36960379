"""Housekeeping of sessions, run with the cleaner's claims: notes ends, removes segments, deletes old rows.

However a session ends (committed, cancelled, expired, lost, given up), its segments are removed through a
blob row of their own: ABORTING, with their prefix as key. The row is made once the session's blob can no
longer be written to, whether or not any segment is known: a writer may have died between storing one and
recording it.

A client may use the signed requests of a direct upload until they expire, even after its end: another blob
row (kind LEFTOVERS) makes the cleaner check the key then.
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs import inserts
from metadata_service.blobs.states import COMMITTED, COMPLETING, OPEN
from metadata_service.blobs.transitions import SHUT_OUT, VERSIONED
from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.files.layouts import SEGMENTS
from servicekit import failpoints
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_DIRECT, SESSION_KIND_PARTIAL

BEFORE_SWEEP: Final = failpoints.register("metadata.session.sweep.before_commit")

_BATCH: Final = 200

_PARTIAL: Final = f"session.kind = {SESSION_KIND_PARTIAL} AND session.finished_at IS NOT NULL"
_EXPIRE_PARTIALS: Final = f"""
WITH old AS MATERIALIZED (
    SELECT blobs.owner_id, blobs.id FROM upload_sessions AS session
    JOIN blobs ON blobs.owner_id = session.owner_id AND blobs.id = session.blob_id
    WHERE {_PARTIAL} AND session.expires_at <= now() AND blobs.state = {COMPLETING}
    LIMIT %(limit)s FOR UPDATE OF blobs SKIP LOCKED
)
{SHUT_OUT.of("blobs.owner_id = old.owner_id AND blobs.id = old.id", "old")}
"""
_SWEEP: Final = f"""
WITH ended AS MATERIALIZED (
    SELECT session.owner_id, session.blob_id, session.kind, session.expires_at FROM upload_sessions AS session
    WHERE (%(owner)s::text = '' OR session.owner_id = %(owner)s) AND session.swept_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM blobs WHERE blobs.owner_id = session.owner_id AND blobs.id = session.blob_id
            AND blobs.state IN {OPEN} AND NOT ({_PARTIAL})
    )
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), segments AS (
    {inserts.to_be_emptied(f"'{SEGMENTS}' || ended.blob_id || '/'", "ended.owner_id")}
    FROM ended
), signed AS (
    {inserts.leftovers("greatest(now(), ended.expires_at)")}
    FROM ended JOIN blobs ON blobs.owner_id = ended.owner_id AND blobs.id = ended.blob_id
    WHERE ended.kind = {SESSION_KIND_DIRECT} AND (blobs.state <> {COMMITTED} OR {VERSIONED})
), parts AS (
    DELETE FROM session_parts USING ended
    WHERE session_parts.owner_id = ended.owner_id AND session_parts.blob_id = ended.blob_id
)
UPDATE upload_sessions AS session SET swept_at = now(),
    forget_at = greatest(now(), CASE WHEN session.kind = {SESSION_KIND_PARTIAL} THEN session.expires_at END)
        + make_interval(secs => %(keep)s),
    finished_at = CASE WHEN EXISTS (
        SELECT 1 FROM blobs WHERE blobs.owner_id = session.owner_id AND blobs.id = session.blob_id
            AND blobs.file_id IS NOT NULL
    ) THEN now() ELSE session.finished_at END
FROM ended WHERE session.owner_id = ended.owner_id AND session.blob_id = ended.blob_id
"""
_FORGET: Final = """
DELETE FROM upload_sessions AS session USING (
    SELECT owner_id, upload_id FROM upload_sessions WHERE forget_at <= now() LIMIT %(limit)s
) AS old
WHERE session.owner_id = old.owner_id AND session.upload_id = old.upload_id
"""


def _values(timing: Timing, owner_id: str) -> dict[str, object]:
    keep = max(timing.session, timing.idempotency)
    return {"owner": owner_id, "limit": _BATCH, "keep": keep, "grace": timing.tombstone_grace}


async def sweep(tx: Transaction, owner_id: str, timing: Timing) -> int:
    """Handle the ended sessions of one owner. Returns how many."""
    return await tx.execute(_SWEEP, _values(timing, owner_id))


async def run(database: Database, timing: Timing) -> int:
    """One round. Returns the number of rows changed."""
    values = _values(timing, "")

    async def work(tx: Transaction) -> int:
        moved = sum(await tx.batch([(_EXPIRE_PARTIALS, values), (_SWEEP, values), (_FORGET, values)]))
        if moved:
            await failpoints.hit(BEFORE_SWEEP)
        return moved

    return await database.transact(SYSTEM, work)
