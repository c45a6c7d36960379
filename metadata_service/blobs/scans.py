"""What the scanner for malware has said of blobs: a row for each that it was asked about, gone with the blob.

Nothing is written for those that nobody has scanned, so that installations without a scanner pay nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from metadata_service.db.database import Statement
from metadata_service.db.timestamps import from_proto
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_INFECTED, Scan

_COLUMNS: Final = "owner_id, blob_id, outcome, scanned_at, database, signature, cause"
#: A later word counts; T4 repeats what T3 has said.
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
#: For the blob that the relation `done` of the statement has.
NOTE_OF_DONE: Final = f"""
INSERT INTO scans ({_COLUMNS})
SELECT done.owner_id, done.id, %(scan_outcome)s, %(scan_at)s, %(scan_database)s, %(scan_signature)s,
    %(scan_cause)s FROM done
{_LAST_COUNTS}
"""
#: Of a row of `files` or `project_files` (AS files), as `to_scan` takes it; null: nobody has scanned it.
SHOWN: Final = """(
    SELECT json_build_array(scans.outcome, extract(epoch FROM scans.scanned_at), scans.database,
        scans.signature, scans.cause)
    FROM scans WHERE scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id)"""
#: The same where only infected files are told of, by an index that has these alone.
SHOWN_INFECTED: Final = f"""(
    SELECT json_build_array(scans.outcome, extract(epoch FROM scans.scanned_at), scans.database,
        scans.signature, scans.cause)
    FROM scans WHERE scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id
        AND scans.outcome = {SCAN_OUTCOME_INFECTED})"""


def note(owner_id: str, scanned: Sequence[tuple[UUID, Scan]]) -> Statement:
    """The statement that keeps what was said of some blobs of one owner."""
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
    """For NOTE_OF_DONE."""
    return {
        "scan_outcome": scan.outcome,
        "scan_at": from_proto(scan.scan_time),
        "scan_database": scan.database,
        "scan_signature": scan.signature,
        "scan_cause": scan.cause,
    }


def to_scan(column: Sequence[Any]) -> Scan:
    """What SHOWN answers."""
    outcome, seconds, database, signature, cause = column
    scan = Scan(outcome=outcome, database=database, signature=signature, cause=cause)
    scan.scan_time.FromMicroseconds(round(seconds * 1_000_000))
    return scan
