"""SQL that removes the attempts and objects of an owner who is being erased.

The transitions are those of ordinary deletion, many rows at a time, without the graces for readers and
restores.
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.states import ABORTING, COMMITTED, DELETING, GONE, OPEN, TO_CLEAN
from metadata_service.blobs.transitions import DELETE, SHUT_OUT

#: Shuts out open attempts of `owner`, at most `limit`. Returns one row with the bytes of each.
SHUT_OUT_ALL: Final = f"""
WITH open AS MATERIALIZED (
    SELECT owner_id, id FROM blobs WHERE owner_id = %(owner)s AND state IN {OPEN} LIMIT %(limit)s FOR UPDATE
)
{SHUT_OUT.of("blobs.owner_id = open.owner_id AND blobs.id = open.id", "open")}
RETURNING coalesce(blobs.size_bytes, 0)
"""
#: Deletes files of `owner` and their blobs, at most `limit`. Returns one row with the bytes of each; `grace`
#: is 0.
DELETE_FILES: Final = f"""
WITH gone AS MATERIALIZED (
    DELETE FROM files WHERE owner_id = %(owner)s AND id IN (
        SELECT id FROM files WHERE owner_id = %(owner)s LIMIT %(limit)s)
    RETURNING owner_id, blob_id
)
{DELETE.of("blobs.owner_id = gone.owner_id AND blobs.id = gone.blob_id", "gone")}
RETURNING coalesce(blobs.size_bytes, 0)
"""
#: Deletes committed blobs that neither a file nor a project shows, because the row that did was lost.
DELETE_LOOSE: Final = f"""
WITH loose AS MATERIALIZED (
    SELECT owner_id, id FROM blobs WHERE owner_id = %(owner)s AND state = {COMMITTED}
        AND NOT EXISTS (SELECT FROM files
            WHERE files.owner_id = blobs.owner_id AND files.blob_id = blobs.id)
        AND NOT EXISTS (SELECT FROM project_files
            WHERE project_files.owner_id = blobs.owner_id AND project_files.blob_id = blobs.id)
    LIMIT %(limit)s FOR UPDATE
)
{DELETE.of("blobs.owner_id = loose.owner_id AND blobs.id = loose.id", "loose")}
RETURNING coalesce(blobs.size_bytes, 0)
"""
#: Makes blobs due now that were deleted earlier and are kept for readers or a restore. Not those that a
#: cleaner has claimed or could not remove.
HASTEN: Final = f"""
UPDATE blobs SET not_before = now()
WHERE owner_id = %(owner)s AND state = {DELETING} AND attempts = 0 AND not_before > now()
"""
#: Blobs, and their bytes, that already waited for the cleaner when the erasure began.
WAITING: Final = f"""
SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM blobs
WHERE owner_id = %(owner)s AND state IN ({DELETING}, {ABORTING})
"""
#: Objects, tombstones, failures, and when the last of them is due.
REST: Final = f"""
SELECT count(*) FILTER (WHERE state <> {GONE}), count(*) FILTER (WHERE state = {GONE}),
    count(*) FILTER (WHERE attempts > 1), max(not_before) FILTER (WHERE state IN {TO_CLEAN})
FROM blobs WHERE owner_id = %(owner)s
"""
