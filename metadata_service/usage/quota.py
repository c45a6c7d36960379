"""Limits and counts of an owner.

`used` is counted on `usage` in stripes, one per connection as far as possible, so that parallel uploads of
one owner don't wait for each other's commit; only the sum over the stripes is meaningful. `reserved` is not
counted but summed up from the blobs that are PENDING or COMPLETING, so whatever ends an attempt releases its
reservation. Measured with commits of 5 ms and 16 callers of one owner: 190-280 uploads/s; with one row
70-100.

A limit is exact: whoever needs more room takes the owner's advisory lock before summing up, after every other
lock of the transaction, and holds it until the commit.

An attempt that replaces a file (at a path, the profile picture) only needs the bytes by which it is larger.
So the sum leaves out, once for each file that open attempts are to replace, the lesser of its size and the
largest reservation among them: in the end only one of them is there. Only a move raises this sum: it takes
away a file that was to make room. So the commit at such a place compares once more if it adds anything, with
what was reserved elsewhere (docs/decisions/0111).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.blobs.states import OPEN
from metadata_service.config import Limits
from metadata_service.db.database import Row, Statement, Transaction
from strongroom.errors import FileCountExceeded, QuotaExceeded

STRIPES: Final = 16
_LOCK_SEED: Final = 0x5372  # separates these locks from others in the database

_COUNT: Final = f"""
INSERT INTO usage (owner_id, stripe, used_bytes, file_count)
VALUES (%(owner)s, pg_backend_pid() %% {STRIPES}, %(bytes)s, %(files)s)
ON CONFLICT (owner_id, stripe) DO UPDATE SET
    used_bytes = usage.used_bytes + excluded.used_bytes, file_count = usage.file_count + excluded.file_count
"""

#: Counts those of these ids that this transaction has created; a repeat must not count them twice.
_COUNT_NEW: Final = f"""
INSERT INTO usage (owner_id, stripe, used_bytes, file_count)
SELECT owner_id, pg_backend_pid() %% {STRIPES}, sum(size_bytes)::bigint, count(*) FROM files
WHERE owner_id = %(owner)s AND id = ANY(%(ids)s::uuid[]) AND xmin = pg_current_xact_id()::xid
GROUP BY owner_id
ON CONFLICT (owner_id, stripe) DO UPDATE SET
    used_bytes = usage.used_bytes + excluded.used_bytes, file_count = usage.file_count + excluded.file_count
"""

#: A condition: the owner in whose scope the transaction runs has no limits.
UNLIMITED: Final = """NOT EXISTS (
    SELECT FROM quotas WHERE owner_id = %(owner)s AND (limit_bytes IS NOT NULL OR limit_files IS NOT NULL)
)"""

_LOCK: Final = f"SELECT pg_advisory_xact_lock(hashtextextended(%(owner)s, {_LOCK_SEED}))"

_LIMITS: Final = "SELECT limit_bytes, limit_files FROM quotas WHERE owner_id = %(owner)s"

_SUMS: Final = f"""
SELECT used.bytes, used.files, reserved.bytes, reserved.files
FROM (
    SELECT coalesce(sum(used_bytes), 0)::bigint AS bytes, coalesce(sum(file_count), 0)::bigint AS files
    FROM usage WHERE owner_id = %(owner)s
) AS used, (
    SELECT coalesce(sum(reserved_bytes), 0)::bigint AS bytes,
        coalesce(sum(reserved_files), 0)::bigint AS files
    FROM blobs WHERE owner_id = %(owner)s AND state IN {OPEN}
) AS reserved
"""

#: The slot of an attempt's file, which follows from the key that `files.layouts` has made; null: it has none.
_SLOT: Final = """CASE
    WHEN blobs.key LIKE 'paths/%%' THEN 'path:' || substring(blobs.key FROM '^paths/[^/]+/(.*)$')
    WHEN blobs.key LIKE 'users/%%/profile/%%' THEN 'profile'
END"""
#: Open attempts that are to replace a file.
_REPLACING: Final = f"""
SELECT files.id, files.size_bytes, blobs.id, blobs.reserved_bytes, blobs.reserved_files
FROM blobs JOIN files ON files.owner_id = blobs.owner_id AND files.deleted_at IS NULL AND files.slot = {_SLOT}
WHERE blobs.owner_id = %(owner)s AND blobs.state IN {OPEN} AND blobs.save_id IS NULL
"""
_BYTES_OF_UPLOADS: Final = f"""
SELECT coalesce(sum(reserved_bytes), 0)::bigint FROM blobs
WHERE owner_id = %(owner)s AND state IN {OPEN} AND save_id IS NULL
"""
#: Bytes of open attempts that may replace a file.
_FOR_SLOTS: Final = f"{_BYTES_OF_UPLOADS} AND {_SLOT} IS NOT NULL"
#: Bytes of open uploads, except one if it is named.
_ELSEWHERE: Final = f"{_BYTES_OF_UPLOADS} AND id IS DISTINCT FROM %(attempt)s::uuid"

_SET: Final = """
INSERT INTO quotas (owner_id, limit_bytes, limit_files) VALUES (%(owner)s, %(bytes)s, %(files)s)
ON CONFLICT (owner_id) DO UPDATE SET limit_bytes = excluded.limit_bytes, limit_files = excluded.limit_files
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Bytes and files of one owner: visible, and reserved by open attempts."""

    used_bytes: int
    used_files: int
    reserved_bytes: int
    reserved_files: int

    @property
    def bytes(self) -> int:
        """Of both."""
        return self.used_bytes + self.reserved_bytes

    @property
    def files(self) -> int:
        """Of both."""
        return self.used_files + self.reserved_files


def count(owner_id: str, size: int, files: int) -> Statement:
    """Add to the owner's use (negative: subtract). The last statement of its transaction, because it locks a
    stripe.
    """
    return _COUNT, {"owner": owner_id, "bytes": size, "files": files}


def count_new(owner_id: str, file_ids: list[UUID]) -> Statement:
    """The same for those of these files that this transaction has created."""
    return _COUNT_NEW, {"owner": owner_id, "ids": file_ids}


def read_limits(owner_id: str) -> Statement:
    """The statement whose rows `limits` takes; it can be sent together with another one."""
    return _LIMITS, {"owner": owner_id}


def limits(rows: list[Row], default: Limits) -> Limits:
    """The owner's limits from the rows of `read_limits`; `default` if the owner has none."""
    return Limits(*rows[0]) if rows else default


async def ensure_room(tx: Transaction, owner_id: str, allowed: Limits, attempt: UUID | None = None) -> None:
    """Refuse if the owner's use and reservations, this transaction's rows included, exceed a limit.

    `attempt`: the open blob that needs the room. It is not refused if it is no larger than the file that it
    replaces. Call this after the rows are written. Raises QuotaExceeded, FileCountExceeded {limit, used}.
    """
    if allowed.unlimited:
        return
    sums = await _locked(tx, owner_id)
    if _fits(allowed.bytes, sums.bytes) and _fits(allowed.files, sums.files):
        return
    # This snapshot is newer still. While the lock is held, others can only lower what was summed up.
    replacing = await tx.fetch(_REPLACING, {"owner": owner_id})
    others = [row for row in replacing if row[2] != attempt]
    size = sums.bytes - _given_way(replacing)
    own = next((row for row in replacing if row[2] == attempt), None)
    grows = own is None or own[3] > _given_way(replacing) - _given_way(others)
    if grows and not _fits(allowed.bytes, size):
        raise await _too_many(tx, owner_id, allowed, size=size, sums=sums, attempt=attempt)
    # Even if it replaces a file by now: that may be moved away before the attempt is committed.
    adds = own is None or own[4] > 0
    if adds and not _fits(allowed.files, sums.files):
        raise FileCountExceeded(
            f"Your limit of files is {allowed.files}, and this would be number {sums.files};"
            " delete something.",
            metadata={"limit": str(allowed.files), "used": str(sums.used_files)},
        )


async def ensure_use(tx: Transaction, owner_id: str, allowed: Limits) -> None:
    """Refuse if the owner's use, and what is reserved for files without a slot, exceed the limit of bytes.

    For a commit in a slot that adds bytes, within its reservation: what it was to replace may have been moved
    away. Call this after the rows are written. Raises QuotaExceeded {limit, used}.
    """
    if allowed.bytes is None:
        return
    sums = await _locked(tx, owner_id)
    if sums.bytes <= allowed.bytes:
        return
    rows = await tx.fetch(_FOR_SLOTS, {"owner": owner_id})
    size = sums.bytes - int(rows[0][0])
    if size > allowed.bytes:
        raise await _too_many(tx, owner_id, allowed, size=size, sums=sums)


async def _locked(tx: Transaction, owner_id: str) -> Totals:
    """The sums, after taking the owner's lock. Their snapshot is newer than the lock, so it contains
    everything that others have committed.
    """
    _, rows = await tx.fetch_batch([(_LOCK, {"owner": owner_id}), (_SUMS, {"owner": owner_id})])
    return Totals(*rows[0])


async def _too_many(
    tx: Transaction, owner_id: str, allowed: Limits, *, size: int, sums: Totals, attempt: UUID | None = None
) -> QuotaExceeded:
    rows = await tx.fetch(_ELSEWHERE, {"owner": owner_id, "attempt": attempt})
    elsewhere = int(rows[0][0])
    wait = f" or wait for your other uploads, which take {elsewhere} bytes of it" if elsewhere else ""
    return QuotaExceeded(
        f"Your quota is {allowed.bytes} bytes, and this would make it {size}; delete something{wait}.",
        metadata={"limit": str(allowed.bytes), "used": str(sums.used_bytes)},
    )


def _fits(limit: int | None, wanted: int) -> bool:
    return limit is None or wanted <= limit


def _given_way(replacing: Sequence[Row]) -> int:
    """How many reserved bytes will take the place of existing ones: at most each file's size, once."""
    most: dict[UUID, int] = {}
    for file_id, size, _, reserved, _ in replacing:
        most[file_id] = max(most.get(file_id, 0), min(size, reserved))
    return sum(most.values())


async def totals(tx: Transaction, owner_id: str) -> Totals:
    """The owner's sums in one snapshot."""
    rows = await tx.fetch(_SUMS, {"owner": owner_id})
    return Totals(*rows[0])


async def set_limits(tx: Transaction, owner_id: str, wanted: Limits) -> None:
    """Set both limits; None: unlimited, whatever the default."""
    await tx.execute(_SET, {"owner": owner_id, "bytes": wanted.bytes, "files": wanted.files})
