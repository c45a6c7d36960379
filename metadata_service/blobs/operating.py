"""SQL for operators: the cleaner's work, and how to retry or abort stuck attempts."""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.states import COMPLETING, OPEN, TO_CLEAN
from metadata_service.blobs.transitions import SHUT_OUT

#: A condition: rows that the cleaner works on once they are due. Tombstones are among them, but only wait.
WORK: Final = f"(blobs.state IN {TO_CLEAN} OR blobs.state = {COMPLETING} AND blobs.lease_expires_at <= now())"
#: A condition: the last try failed and nothing has succeeded since. Not a row that a cleaner has just claimed
#: for the first time.
FAILING: Final = f"({WORK} AND blobs.attempts > 0 AND blobs.failure IS NOT NULL)"
_DUE: Final = f"({WORK} AND coalesce(blobs.not_before <= now(), true))"

BACKLOG: Final = f"""
SELECT state, count(*), coalesce(sum(size_bytes), 0)::bigint, count(*) FILTER (WHERE {_DUE}),
    count(*) FILTER (WHERE {FAILING}), min(coalesce(not_before, lease_expires_at)) FILTER (WHERE {_DUE})
FROM blobs WHERE state IN {TO_CLEAN} OR state IN {OPEN} GROUP BY state ORDER BY state
"""
FAILURES: Final = f"""
SELECT failure, count(*), min(state_changed_at), max(attempts), min(id::text) FROM blobs WHERE {FAILING}
GROUP BY failure ORDER BY 2 DESC LIMIT 20
"""
LIST: Final = f"""
SELECT id::text, owner_id, state, key, coalesce(size_bytes, reserved_bytes), attempts, coalesce(failure, ''),
    not_before, lease_expires_at, created_at, state_changed_at
FROM blobs WHERE (state IN {OPEN} OR state IN {TO_CLEAN}) AND (%(all)s OR {FAILING})
    AND (%(owner)s::text = '' OR owner_id = %(owner)s)
    AND (owner_id, id) > (%(after_owner)s, %(after_id)s::uuid)
ORDER BY owner_id, id LIMIT %(limit)s
"""
_CHOSEN: Final = "(%(all)s OR blobs.id = ANY(%(ids)s::uuid[]))"
#: Makes failing rows due now without resetting their pauses. A tombstone that is not due yet has not failed,
#: and stays (rule R5).
RETRY: Final = f"UPDATE blobs SET not_before = now() WHERE {FAILING} AND {_CHOSEN} RETURNING id::text"
#: Makes failing rows due now and resets their pauses.
REQUEUE: Final = f"""
UPDATE blobs SET not_before = now(), attempts = 0, failure = NULL WHERE {FAILING} AND {_CHOSEN}
RETURNING id::text
"""
#: Not an attempt of a save, which is given up as a whole.
_ATTEMPT: Final = "blobs.id = %(id)s::uuid AND blobs.save_id IS NULL"
ABORT: Final = f"{SHUT_OUT.of(_ATTEMPT, asked=True)} RETURNING owner_id, key"
