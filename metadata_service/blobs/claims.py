"""SQL of the cleaner's look-ups and claims, over all owners, one statement for each set.

A claim raises the epoch and hides the row from other cleaners for a while (`not_before`).
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.rows import COLUMNS
from metadata_service.blobs.states import COMPLETING, DELETING, OPEN, PENDING, TO_CLEAN
from metadata_service.blobs.transitions import EXPIRE
from metadata_service.db import rotation

# The candidates are chosen in a CTE of their own: inside a join, SKIP LOCKED and LIMIT could be evaluated
# twice.
EXPIRE_SILENT: Final = f"""
WITH silent AS MATERIALIZED (
    SELECT owner_id, id FROM blobs WHERE state = {PENDING} AND lease_expires_at <= now() LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
{EXPIRE.of("blobs.owner_id = silent.owner_id AND blobs.id = silent.id", "silent")}
"""
CLAIM_COMPLETING: Final = f"""
WITH silent AS MATERIALIZED (
    SELECT owner_id, id FROM blobs
    WHERE state = {COMPLETING} AND lease_expires_at <= now() AND (not_before IS NULL OR not_before <= now())
        AND owner_id <> ALL(%(without)s::text[])
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE blobs SET epoch = epoch + 1, attempts = attempts + 1,
    not_before = now() + make_interval(secs => %(claim)s)
FROM silent WHERE blobs.owner_id = silent.owner_id AND blobs.id = silent.id
RETURNING {COLUMNS}, blobs.traceparent
"""
# The last column, `hide_only`: a restore of the database may need the bytes again, so the object only gets a
# delete marker. The current setting counts, so a longer window also applies to objects that wait already.
# Nothing is kept for an owner who is being erased.
_CLAIM_DUE: Final = f"""
WITH due AS MATERIALIZED ({{due}})
UPDATE blobs SET epoch = epoch + 1, attempts = attempts + 1,
    not_before = now() + make_interval(secs => %(claim)s)
FROM due WHERE blobs.owner_id = due.owner_id AND blobs.id = due.id
RETURNING {COLUMNS}, blobs.traceparent,
    blobs.state = {DELETING} AND blobs.state_changed_at + make_interval(secs => %(window)s) > now()
        AND NOT EXISTS (SELECT FROM erasures WHERE erasures.owner_id = blobs.owner_id)
"""
CLAIM_DUE: Final = _CLAIM_DUE.format(
    due=f"""
    SELECT owner_id, id FROM blobs WHERE state IN {TO_CLEAN} AND not_before <= now()
    ORDER BY not_before LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
)
VISIT_DUE: Final = rotation.visit(f"""
    SELECT owner_id, not_before <= now() AND owner_id <> ALL(%(without)s::text[]) AS due FROM blobs
    WHERE state IN {TO_CLEAN} AND owner_id > visited.owner_id ORDER BY owner_id, not_before LIMIT 1
""")
CLAIM_DUE_OF_OWNERS: Final = _CLAIM_DUE.format(
    due=rotation.of_each(f"""
        SELECT owner_id, id FROM blobs WHERE {rotation.TURN} AND state IN {TO_CLEAN} AND not_before <= now()
        ORDER BY owner_id, not_before LIMIT %(each)s FOR UPDATE SKIP LOCKED
    """)
)
# One branch for each of the two partial indexes on `key`.
SETTLED_KEYS: Final = f"""
SELECT key FROM (
    SELECT key, state FROM blobs WHERE key = ANY(%(keys)s) AND NOT key_shared
    UNION ALL
    SELECT key, state FROM blobs WHERE key = ANY(%(keys)s) AND key_shared
) AS found
GROUP BY key HAVING bool_and(state NOT IN {OPEN})
"""
RECORDED_VERSIONS: Final = """
SELECT version_id FROM blobs WHERE key = %(key)s AND key_shared AND version_id = ANY(%(versions)s)
"""
#: Objects, and their bytes, that are deleted and not removed yet, over all owners.
KEPT: Final = f"SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM blobs WHERE state = {DELETING}"
