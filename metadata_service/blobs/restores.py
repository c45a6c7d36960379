"""SQL of restores from an archive class: one row per content while the object store brings it back, deleted
with its blob.
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.states import COMMITTED
from metadata_service.db import rotation

#: The next look is due after a tenth of the time waited so far, at least the caller's pause, at most an hour.
_NEXT_LOOK: Final = """
now() + greatest(make_interval(secs => %(pause)s), least(interval '1 hour', (now() - asked_at) / 10))
"""
# One branch for each of the two partial indexes on `key`.
NOTE: Final = f"""
INSERT INTO archive_restores (owner_id, blob_id, asked_at, look_at, traceparent)
SELECT owner_id, id, now(), now(), %(traceparent)s::text FROM blobs
WHERE key = %(key)s AND version_id = %(version)s AND state = {COMMITTED} AND NOT key_shared
UNION ALL
SELECT owner_id, id, now(), now(), %(traceparent)s::text FROM blobs
WHERE key = %(key)s AND version_id = %(version)s AND state = {COMMITTED} AND key_shared
ON CONFLICT (owner_id, blob_id) DO NOTHING
"""
_CLAIM: Final = f"""
WITH due AS MATERIALIZED ({{due}}), claimed AS (
    UPDATE archive_restores AS restores SET look_at = {_NEXT_LOOK}
    FROM due WHERE restores.owner_id = due.owner_id AND restores.blob_id = due.blob_id
    RETURNING restores.owner_id, restores.blob_id, restores.asked_at, restores.traceparent
)
SELECT blobs.owner_id, blobs.id::text, blobs.key, blobs.version_id, claimed.asked_at,
    claimed.traceparent
FROM claimed JOIN blobs ON blobs.owner_id = claimed.owner_id AND blobs.id = claimed.blob_id
WHERE blobs.state = {COMMITTED}
"""
OLDEST: Final = _CLAIM.format(
    due="""
    SELECT owner_id, blob_id FROM archive_restores WHERE look_at <= now()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
)
VISITED: Final = rotation.visit("""
    SELECT owner_id, look_at <= now() AS due FROM archive_restores WHERE owner_id > visited.owner_id
    ORDER BY owner_id, look_at LIMIT 1
""")
OF_OWNERS: Final = _CLAIM.format(
    due=rotation.of_each(f"""
        SELECT owner_id, blob_id FROM archive_restores WHERE {rotation.TURN} AND look_at <= now()
        ORDER BY owner_id, look_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """)
)
END: Final = "DELETE FROM archive_restores WHERE owner_id = %(owner)s AND blob_id = %(blob)s"
