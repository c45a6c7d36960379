"""The states of a blob, each transition a compare-and-set on (state, epoch): rule R3 of docs/consistency.md.

    PENDING → COMPLETING → COMMITTED → DELETING → GONE → purged
    PENDING, COMPLETING → ABORTING → GONE → purged

A function that finds nothing to change reads the row: if this very attempt has made the step before (its
reply was lost), that is a success; otherwise UploadSuperseded, and nothing was changed. All clocks are the
database's.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.blobs.rows import COLUMNS, BlobRow, Handle
from metadata_service.config import Timing
from metadata_service.db.database import Statement, Transaction
from strongroom.errors import UploadSuperseded
from strongroom.metadata.v1 import blob_pb2

PENDING: Final = blob_pb2.BLOB_STATE_PENDING
COMPLETING: Final = blob_pb2.BLOB_STATE_COMPLETING
COMMITTED: Final = blob_pb2.BLOB_STATE_COMMITTED
DELETING: Final = blob_pb2.BLOB_STATE_DELETING
ABORTING: Final = blob_pb2.BLOB_STATE_ABORTING
GONE: Final = blob_pb2.BLOB_STATE_GONE

# The states stand as numbers in the statements, so that the planner can use the partial indexes.
_HELD: Final = "owner_id = %(owner)s AND id = %(id)s AND epoch = %(epoch)s"

_READ: Final = f"SELECT {COLUMNS} FROM blobs WHERE owner_id = %(owner)s AND id = %(id)s"

_RECORD_MULTIPART: Final = f"""
UPDATE blobs SET upload_id = %(upload_id)s, kind = 2,
    lease_expires_at = now() + make_interval(secs => %(lease)s)
WHERE {_HELD} AND state = 1 AND kind IN (1, 2) AND upload_id IN ('', %(upload_id)s)
"""

_RENEW: Final = f"""
UPDATE blobs SET lease_expires_at = now() + make_interval(secs => %(lease)s) WHERE {_HELD} AND state IN (1, 2)
"""

_BEGIN_COMPLETION: Final = f"""
UPDATE blobs SET state = 2, parts = %(parts)s, size_bytes = %(size)s, crc32c = %(crc32c)s,
    reserved_bytes = %(size)s, attempts = 0, state_changed_at = now(),
    lease_expires_at = now() + make_interval(secs => %(lease)s)
WHERE {_HELD} AND state = 1 AND kind IN (2, 3)
RETURNING {COLUMNS}
"""

_COMMIT: Final = f"""
UPDATE blobs SET state = 3, size_bytes = %(size)s, crc32c = %(crc32c)s, etag = %(etag)s,
    version_id = %(version_id)s, file_id = %(file_id)s, file_generation = 1, lease_expires_at = NULL,
    attempts = 0, state_changed_at = now()
WHERE {_HELD}
    AND (state = 1 AND kind IN (1, 3) OR state = 2 AND size_bytes = %(size)s AND crc32c = %(crc32c)s)
RETURNING {COLUMNS}, now()
"""

_ABANDON: Final = f"""
UPDATE blobs SET state = 5, not_before = now(), lease_expires_at = NULL, attempts = 0,
    state_changed_at = now()
WHERE {_HELD} AND state IN (1, 2)
"""

_EXPIRE_ONE: Final = """
UPDATE blobs SET state = 5, epoch = epoch + 1, not_before = now(), lease_expires_at = NULL, attempts = 0,
    state_changed_at = now()
WHERE owner_id = %(owner)s AND id = %(id)s AND state = 1 AND lease_expires_at <= now()
"""

_DELETE: Final = """
UPDATE blobs SET state = 4, not_before = now() + make_interval(secs => %(grace)s), attempts = 0,
    state_changed_at = now()
WHERE owner_id = %(owner)s AND id = %(id)s AND state = 3
"""


def insert_leftovers(since: str) -> str:
    """Begins a statement that makes a row of kind LEFTOVERS of each row of `blobs` that the rest selects: due
    `grace` seconds after `since`, an SQL expression.
    """
    return f"""
INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, version_id, upload_id, content_type,
    spec, object_metadata, reserved_bytes, reserved_files, not_before)
SELECT blobs.owner_id, gen_random_uuid(), 6, 1, 4, blobs.key, true, blobs.version_id, blobs.upload_id, '', '',
    blobs.object_metadata, 0, 0, {since} + make_interval(secs => %(grace)s)
"""


#: Without versioning no second object can appear at a key.
VERSIONED: Final = "blobs.version_id NOT IN ('', 'null')"

_LOOK_AGAIN: Final = f"""
{insert_leftovers("now()")}
FROM blobs WHERE blobs.owner_id = %(owner)s AND blobs.id = ANY(%(ids)s) AND {VERSIONED}
"""

_FINISH: Final = f"""
UPDATE blobs SET state = 6, not_before = now() + make_interval(secs => %(grace)s), attempts = 0,
    parts = '', state_changed_at = now()
WHERE {_HELD} AND state = %(from_state)s
"""

_PURGE: Final = f"DELETE FROM blobs WHERE {_HELD} AND state = 6"

# The pause says when the cleaner looks again. Whether a writer lives is the lease's to say, and the owner's
# own repeat waits for nothing else: in COMPLETING the lease has run out, and stays so.
_RELEASE: Final = f"""
UPDATE blobs SET not_before = now() + pause.length
FROM (
    SELECT make_interval(secs => least(%(retry)s * 2 ^ least(attempts - 1, 20),
        CASE WHEN state = 2 THEN least(%(roll_forward_max)s, %(retry_max)s) ELSE %(retry_max)s END)) AS length
    FROM blobs WHERE {_HELD}
) AS pause
WHERE {_HELD} AND state IN (2, 4, 5, 6)
"""

#: Of an attempt in COMPLETING whose writer is dead and whose request has another attempt now: it may still be
#: rolled forward, but only one of the two can commit, so only one counts.
_GIVE_ROOM: Final = """
UPDATE blobs SET reserved_bytes = 0, reserved_files = 0
WHERE owner_id = %(owner)s AND id = %(id)s AND state = 2 AND lease_expires_at <= now()
"""

_SET_FILE: Final = """
UPDATE blobs SET file_id = %(file_id)s, file_generation = %(generation)s
WHERE owner_id = %(owner)s AND id = %(id)s
"""


def superseded() -> UploadSuperseded:
    """Somebody else has this attempt now, or it was given up."""
    return UploadSuperseded(
        "A newer attempt has taken this upload over, or its lease has run out; send the file again."
    )


async def read(tx: Transaction, handle: Handle) -> BlobRow | None:
    """The row as it is now, whatever its epoch; None when it was purged."""
    row = await tx.fetch_one(_READ, handle.params())
    return BlobRow(*row) if row else None


async def record_multipart(tx: Transaction, handle: Handle, upload_id: str, lease: float) -> None:
    """T2: the S3 upload id of a PENDING blob, which is multipart from now on (a body of unknown size may
    turn out larger than a part); also renews the lease. Raises UploadSuperseded.
    """
    if await tx.execute(_RECORD_MULTIPART, handle.params(upload_id=upload_id, lease=lease)):
        return
    found = await _held(tx, handle)
    if found.state not in {COMPLETING, COMMITTED} or found.upload_id != upload_id:
        raise superseded()


async def renew(tx: Transaction, handle: Handle, lease: float) -> None:
    """Extend the lease of a PENDING or COMPLETING blob by `lease` seconds from now. Raises UploadSuperseded.

    A lease that ran out may still be renewed while no cleaner has acted on it.
    """
    if await tx.execute(_RENEW, handle.params(lease=lease)):
        return
    if (await _held(tx, handle)).state != COMMITTED:
        raise superseded()


async def begin_completion(
    tx: Transaction, handle: Handle, *, parts: bytes, size: int, crc32c: int, lease: float
) -> BlobRow | None:
    """T3: PENDING → COMPLETING. None when this attempt has done it before. Raises UploadSuperseded."""
    params = handle.params(parts=parts, size=size, crc32c=crc32c, lease=lease)
    row = await tx.fetch_one(_BEGIN_COMPLETION, params)
    if row:
        return BlobRow(*row)
    found = await _held(tx, handle)
    if found.state not in {COMPLETING, COMMITTED} or (found.size_bytes, found.crc32c) != (size, crc32c):
        raise superseded()
    return None


def commit(handle: Handle, *, size: int, crc32c: int, etag: str, version_id: str, file_id: UUID) -> Statement:
    """The blob's part of T4: → COMMITTED; answers the row and the moment, nothing when the compare-and-set
    failed.

    From PENDING for single puts and copies, from COMPLETING (with the size and checksum of T3) otherwise.
    """
    values = handle.params(size=size, crc32c=crc32c, etag=etag, version_id=version_id, file_id=file_id)
    return _COMMIT, values


async def abandon(tx: Transaction, handle: Handle) -> None:
    """PENDING or COMPLETING → ABORTING, at once due for the cleaner. Raises UploadSuperseded, also when
    committed.
    """
    if await tx.execute(_ABANDON, handle.params()):
        return
    found = await _held(tx, handle)
    if found.state not in {ABORTING, GONE}:
        raise superseded()


async def expire(tx: Transaction, owner_id: str, blob_id: UUID) -> bool:
    """PENDING whose lease has run out → ABORTING, at a new epoch so that its writer is shut out."""
    return bool(await tx.execute(_EXPIRE_ONE, {"owner": owner_id, "id": blob_id}))


def set_file(blob: BlobRow, file_id: UUID, generation: int) -> Statement:
    """What a committed blob became, when that is not a new file's first generation."""
    return _SET_FILE, {"owner": blob.owner_id, "id": blob.id, "file_id": file_id, "generation": generation}


def delete(owner_id: str, blob_id: UUID, grace: float) -> Statement:
    """D1, and what a replacement does to the old content: COMMITTED → DELETING; the object stays for `grace`
    seconds.
    """
    return _DELETE, {"owner": owner_id, "id": blob_id, "grace": grace}


def look_again(owner_id: str, blob_ids: list[UUID], grace: float) -> Statement:
    """After T4 of attempts that repeated a request: another version may appear at the key, so a row of kind
    LEFTOVERS has the cleaner look there after `grace` seconds. Without versioning nothing can appear.
    """
    return _LOOK_AGAIN, {"owner": owner_id, "ids": blob_ids, "grace": grace}


async def finish_removal(tx: Transaction, handle: Handle, from_state: int, grace: float) -> None:
    """D3: ABORTING or DELETING → GONE for `grace` seconds, or from GONE: the row goes. Raises
    UploadSuperseded.
    """
    if from_state == GONE:
        if await tx.execute(_PURGE, handle.params()) or await read(tx, handle) is None:
            return
        raise superseded()
    if await tx.execute(_FINISH, handle.params(from_state=from_state, grace=grace)):
        return
    if (await _held(tx, handle)).state != GONE:
        raise superseded()


async def give_room(tx: Transaction, owner_id: str, blob_id: UUID) -> None:
    """COMPLETING whose lease has run out: its reservation is free for the attempt that takes its place."""
    await tx.execute(_GIVE_ROOM, {"owner": owner_id, "id": blob_id})


async def release(tx: Transaction, handle: Handle, timing: Timing) -> None:
    """Give a claim back, due again after `retry` seconds, doubled with each claim, `retry_max` (COMPLETING:
    `roll_forward_max`) at the most.

    Raises UploadSuperseded.
    """
    pauses = {
        "retry": timing.retry,
        "retry_max": timing.retry_max,
        "roll_forward_max": timing.roll_forward_max,
    }
    if not await tx.execute(_RELEASE, handle.params(**pauses)):
        raise superseded()


async def _held(tx: Transaction, handle: Handle) -> BlobRow:
    """The row, if it is still at the caller's epoch. Raises UploadSuperseded."""
    found = await read(tx, handle)
    if found is None or found.epoch != handle.epoch:
        raise superseded()
    return found
