"""SQL of scans for malware: one row for each blob that was to be scanned, deleted with the blob.

A blob that nobody was asked to scan has no row, so installations without a scanner pay nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from metadata_service.blobs.states import COMMITTED
from metadata_service.db import rotation
from metadata_service.db.database import Statement
from metadata_service.db.timestamps import from_proto
from strongroom.metadata.v1.scan_pb2 import (
    SCAN_OUTCOME_CLEAN,
    SCAN_OUTCOME_INFECTED,
    SCAN_OUTCOME_UNSCANNED,
    Scan,
)

_COLUMNS: Final = "owner_id, blob_id, outcome, scanned_at, database, signature, cause"
#: The last result counts; T4 repeats that of T3.
_LAST_COUNTS: Final = """
ON CONFLICT (owner_id, blob_id) DO UPDATE SET outcome = EXCLUDED.outcome, scanned_at = EXCLUDED.scanned_at,
    database = EXCLUDED.database, signature = EXCLUDED.signature, cause = EXCLUDED.cause
"""
_NOTE: Final = f"""
INSERT INTO scans ({_COLUMNS})
SELECT %(owner)s, given.* FROM unnest(%(ids)s::uuid[], %(outcomes)s::smallint[], %(moments)s::timestamptz[],
    %(databases)s::text[], %(signatures)s::text[], %(causes)s::text[]) AS given
{_LAST_COUNTS}
"""
#: Stores the scan of the blob in the statement's relation `done`.
NOTE_OF_DONE: Final = f"""
INSERT INTO scans ({_COLUMNS})
SELECT done.owner_id, done.id, %(scan_outcome)s, %(scan_at)s, %(scan_database)s, %(scan_signature)s,
    %(scan_cause)s FROM done
{_LAST_COUNTS}
"""
#: The scan of a row of `files` or `project_files` (AS files), for `to_scan`; null: it has no scan.
SHOWN: Final = """(
    SELECT json_build_array(scans.outcome, extract(epoch FROM scans.scanned_at), scans.database,
        scans.signature, scans.cause)
    FROM scans WHERE scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id)"""
#: The same, only if the file is infected; it uses an index of infected blobs alone.
SHOWN_INFECTED: Final = f"""(
    SELECT json_build_array(scans.outcome, extract(epoch FROM scans.scanned_at), scans.database,
        scans.signature, scans.cause)
    FROM scans WHERE scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id
        AND scans.outcome = {SCAN_OUTCOME_INFECTED})"""

#: Adds rows for committed blobs after a cursor that have none, and returns the last blob that was looked at.
STOCK: Final = f"""
WITH looked AS MATERIALIZED (
    SELECT owner_id, id, state FROM blobs WHERE (owner_id, id) > (%(owner)s, %(id)s)
    ORDER BY owner_id, id LIMIT %(limit)s
), noted AS (
    INSERT INTO scans (owner_id, blob_id, outcome, scanned_at)
    SELECT owner_id, id, {SCAN_OUTCOME_UNSCANNED}, now() FROM looked WHERE state = {COMMITTED}
    ON CONFLICT (owner_id, blob_id) DO NOTHING
)
SELECT owner_id, id::text FROM looked ORDER BY owner_id DESC, id DESC LIMIT 1
"""
_MAY_CHANGE: Final = f"outcome IN ({SCAN_OUTCOME_CLEAN}, {SCAN_OUTCOME_UNSCANNED})"
#: All signature databases of existing scans. There are few; each is found by one step in the index
#: `scans_due`.
DATABASES: Final = f"""
WITH RECURSIVE known AS (
    SELECT min(database) AS database FROM scans WHERE {_MAY_CHANGE}
    UNION ALL
    SELECT (SELECT min(database) FROM scans WHERE {_MAY_CHANGE} AND database > known.database)
    FROM known WHERE known.database IS NOT NULL
)
SELECT database FROM known WHERE database IS NOT NULL
"""
_DUE: Final = "(scan_after IS NULL OR scan_after <= now())"
_CLAIM: Final = f"""
WITH due AS MATERIALIZED ({{due}}), claimed AS (
    UPDATE scans SET scan_after = now() + make_interval(secs => %(claim)s)
    FROM due WHERE scans.owner_id = due.owner_id AND scans.blob_id = due.blob_id
    RETURNING scans.owner_id, scans.blob_id
)
SELECT blobs.owner_id, blobs.id::text, blobs.key, blobs.version_id, blobs.etag, blobs.size_bytes,
    (SELECT family FROM files WHERE files.owner_id = blobs.owner_id AND files.blob_id = blobs.id LIMIT 1),
    EXISTS (SELECT FROM project_files AS files
        WHERE files.owner_id = blobs.owner_id AND files.blob_id = blobs.id),
    blobs.traceparent
FROM claimed JOIN blobs ON blobs.owner_id = claimed.owner_id AND blobs.id = claimed.blob_id
WHERE blobs.state = {COMMITTED}
"""
_OF_DATABASE: Final = f"""
SELECT owner_id, blob_id FROM scans WHERE {_MAY_CHANGE} AND database = known.database
"""
OLDEST: Final = _CLAIM.format(
    due=f"""
    SELECT first.owner_id, first.blob_id FROM unnest(%(older)s::text[]) AS known (database)
    CROSS JOIN LATERAL ({rotation.new_before_due(_OF_DATABASE, "scan_after", "NULLS LAST")}) AS first
    LIMIT %(limit)s
"""
)
# Uses the index `scans_due_by_owner`, one step for each database. Failed scans come after new ones.
VISITED: Final = rotation.visit(f"""
    SELECT first.owner_id, first.due FROM unnest(%(older)s::text[]) AS known (database) CROSS JOIN LATERAL (
        SELECT owner_id, {_DUE} AS due FROM scans
        WHERE {_MAY_CHANGE} AND database = known.database AND owner_id > visited.owner_id
        ORDER BY owner_id, scan_after NULLS FIRST LIMIT 1
    ) AS first
    ORDER BY first.owner_id, first.due DESC LIMIT 1
""")
OF_OWNERS: Final = _CLAIM.format(
    due=rotation.of_each(f"""
        SELECT first.owner_id, first.blob_id FROM unnest(%(older)s::text[]) AS known (database)
        CROSS JOIN LATERAL (
            SELECT owner_id, blob_id FROM scans
            WHERE {_MAY_CHANGE} AND database = known.database AND {rotation.TURN} AND {_DUE}
            ORDER BY owner_id, scan_after NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED
        ) AS first LIMIT 1
    """)
)
#: Locks the row while a result is compared with it, so that the result of the newest signatures stays.
LOOKED: Final = """
SELECT database FROM scans WHERE owner_id = %(owner)s AND blob_id = %(id)s FOR UPDATE
"""
FOUND: Final = f"""
UPDATE scans SET outcome = %(scan_outcome)s, scanned_at = %(scan_at)s, database = %(scan_database)s,
    signature = %(scan_signature)s, cause = %(scan_cause)s, scan_after = NULL
WHERE owner_id = %(owner)s AND blob_id = %(id)s AND outcome <> {SCAN_OUTCOME_INFECTED}
"""


def note(owner_id: str, scanned: Sequence[tuple[UUID, Scan]]) -> Statement:
    """The statement that stores scans of blobs of one owner."""
    return _NOTE, {
        "owner": owner_id,
        "ids": [blob_id for blob_id, _ in scanned],
        "outcomes": [str(scan.outcome) for _, scan in scanned],
        "moments": [from_proto(scan.scan_time) for _, scan in scanned],
        "databases": [scan.database for _, scan in scanned],
        "signatures": [scan.signature for _, scan in scanned],
        "causes": [scan.cause for _, scan in scanned],
    }


def params(scan: Scan) -> dict[str, object]:
    """Parameters of NOTE_OF_DONE."""
    return {
        "scan_outcome": scan.outcome,
        "scan_at": from_proto(scan.scan_time),
        "scan_database": scan.database,
        "scan_signature": scan.signature,
        "scan_cause": scan.cause,
    }


def to_scan(column: Sequence[Any]) -> Scan:
    """Convert the value of SHOWN."""
    outcome, seconds, database, signature, cause = column
    scan = Scan(outcome=outcome, database=database, signature=signature, cause=cause)
    scan.scan_time.FromMicroseconds(round(seconds * 1_000_000))
    return scan
