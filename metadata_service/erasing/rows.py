"""Rows of `erasures`."""

from __future__ import annotations

from typing import Final

from metadata_service.audit import OWNER_SHA256
from metadata_service.db.database import Row
from metadata_service.db.timestamps import to_proto
from strongroom.metadata.v1.admin_service_pb2 import Erasure, ErasureCounts

BEGIN: Final = f"""
INSERT INTO erasures (id, owner_id, owner_sha256, begin_position)
SELECT %(id)s, %(owner)s, {OWNER_SHA256}, pg_current_wal_lsn()::text FROM installation
ON CONFLICT (owner_id) WHERE owner_id IS NOT NULL DO NOTHING
"""
#: An erasure mostly waits for graces of objects to pass. Waiting ones come in random order, after new ones.
RUNNING: Final = """
SELECT id, owner_id FROM erasures WHERE owner_id IS NOT NULL
ORDER BY shut_at IS NOT NULL, random() LIMIT %(limit)s
"""
#: Only one replica works on an erasure at a time.
LOCK: Final = "SELECT counts FROM erasures WHERE id = %(id)s AND owner_id IS NOT NULL FOR UPDATE SKIP LOCKED"
COUNT: Final = "UPDATE erasures SET counts = %(counts)s WHERE id = %(id)s"
#: Runs in a transaction after the one that began the erasure: later transactions see it.
SHUT: Final = "UPDATE erasures SET shut_at = clock_timestamp() WHERE id = %(id)s AND shut_at IS NULL"
#: A transaction of this service that may not have seen the erasure when it added a row.
OLDER_TRANSACTIONS: Final = """
SELECT 1 FROM pg_stat_activity AS session, erasures
WHERE erasures.id = %(id)s AND session.datname = current_database() AND session.pid <> pg_backend_pid()
    AND session.xact_start <= erasures.shut_at
LIMIT 1
"""
END: Final = """
UPDATE erasures SET owner_id = NULL, counts = %(counts)s, ended_at = clock_timestamp(),
    end_position = pg_current_wal_lsn()::text,
    held_until = clock_timestamp() + make_interval(secs => %(held)s)
WHERE id = %(id)s
"""
_COLUMNS: Final = """
erasures.id, erasures.owner_id, erasures.owner_sha256, erasures.counts, erasures.begin_position,
erasures.end_position, erasures.begun_at, erasures.ended_at, erasures.held_until,
erasures.quarantine_seen_at
"""
BY_ID: Final = f"SELECT {_COLUMNS} FROM erasures WHERE id = %(id)s"
LAST_OF: Final = f"""
SELECT {_COLUMNS} FROM installation, erasures WHERE owner_sha256 = {OWNER_SHA256}
ORDER BY begun_at DESC LIMIT 1
"""


def to_erasure(row: Row) -> tuple[Erasure, str]:
    """An erasure from a row of the columns above; and its owner, while it is running."""
    erasure_id, owner_id, digest, counts, begin, end, begun_at, ended_at, held_until, quarantine = row
    erasure = Erasure(
        id=str(erasure_id),
        owner_sha256=digest,
        begin_time=to_proto(begun_at),
        begin_position=begin,
        end_position=end,
        counts=ErasureCounts.FromString(counts),
    )
    if ended_at is not None:
        erasure.end_time.CopyFrom(to_proto(ended_at))
    if held_until is not None:
        erasure.backups_hold_until.CopyFrom(to_proto(held_until))
    if quarantine is not None:
        erasure.quarantine_time.CopyFrom(to_proto(quarantine))
    return erasure, owner_id or ""


def sum_of(first: ErasureCounts, second: ErasureCounts) -> ErasureCounts:
    """The sum of both, field by field."""
    total = ErasureCounts()
    for field in total.DESCRIPTOR.fields:
        setattr(total, field.name, getattr(first, field.name) + getattr(second, field.name))
    return total
