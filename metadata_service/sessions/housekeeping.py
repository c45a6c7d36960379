"""What the cleaner's claims bring on for sessions: ends seen, segments given to the cleaner, old rows
forgotten.

However a session ends (committed, cancelled, expired, lost, given up), its segments are removed through a
blob row of
their own: ABORTING, its key the prefix that they lie below. It is made once the session's blob can no
longer be written
to, whether or not any segment is known: a writer may have died between storing one and telling.

A client may use the signed requests of a direct upload until they expire, also after its end: another blob
row (kind LEFTOVERS) has the cleaner look at the key then.
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.transitions import VERSIONED, insert_leftovers
from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.files.layouts import SEGMENTS
from servicekit import failpoints

BEFORE_SWEEP: Final = failpoints.register("metadata.session.sweep.before_commit")

_BATCH: Final = 200

_EXPIRE_PARTIALS: Final = """
WITH old AS MATERIALIZED (
    SELECT blobs.owner_id, blobs.id FROM upload_sessions AS session
    JOIN blobs ON blobs.owner_id = session.owner_id AND blobs.id = session.blob_id
    WHERE session.kind = 3 AND session.finished_at IS NOT NULL AND session.expires_at <= now() AND
        blobs.state = 2
    LIMIT %(limit)s FOR UPDATE OF blobs SKIP LOCKED
)
UPDATE blobs SET state = 5, epoch = epoch + 1, not_before = now(), lease_expires_at = NULL, attempts = 0,
    state_changed_at = now()
FROM old WHERE blobs.owner_id = old.owner_id AND blobs.id = old.id
"""
_SWEEP: Final = f"""
WITH ended AS MATERIALIZED (
    SELECT session.owner_id, session.blob_id, session.kind, session.expires_at FROM upload_sessions AS session
    WHERE session.swept_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM blobs WHERE blobs.owner_id = session.owner_id AND blobs.id = session.blob_id
            AND blobs.state IN (1, 2) AND NOT (session.kind = 3 AND session.finished_at IS NOT NULL)
    )
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), leftovers AS (
    INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec, object_metadata,
        reserved_bytes, reserved_files, not_before)
    SELECT owner_id, gen_random_uuid(), 5, 1, 1, '{SEGMENTS}' || blob_id || '/', false, '', '', '{{}}', 0,
        0, now()
    FROM ended
), signed AS (
    {insert_leftovers("greatest(now(), ended.expires_at)")}
    FROM ended JOIN blobs ON blobs.owner_id = ended.owner_id AND blobs.id = ended.blob_id
    WHERE ended.kind = 2 AND (blobs.state <> 3 OR {VERSIONED})
), parts AS (
    DELETE FROM session_parts USING ended
    WHERE session_parts.owner_id = ended.owner_id AND session_parts.blob_id = ended.blob_id
)
UPDATE upload_sessions AS session SET swept_at = now(),
    forget_at = greatest(now(), CASE WHEN session.kind = 3 THEN session.expires_at END)
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


async def run(database: Database, timing: Timing) -> int:
    """One round; how many rows moved."""
    values = {
        "limit": _BATCH,
        "keep": max(timing.session, timing.idempotency),
        "grace": timing.tombstone_grace,
    }

    async def work(tx: Transaction) -> int:
        moved = sum(await tx.batch([(_EXPIRE_PARTIALS, values), (_SWEEP, values), (_FORGET, values)]))
        if moved:
            await failpoints.hit(BEFORE_SWEEP)
        return moved

    return await database.transact(SYSTEM, work)
