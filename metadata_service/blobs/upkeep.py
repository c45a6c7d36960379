"""Changes to a blob that keep its state: multipart upload, lease, holder, reservation, relinking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.blobs.states import (
    ABORTING,
    COMMITTED,
    COMPLETING,
    DELETING,
    LEFTOVERS,
    MULTIPART,
    OPEN,
    PENDING,
    SINGLE,
    TO_CLEAN,
)
from metadata_service.blobs.transitions import AT_EPOCH, ONE, at_epoch, superseded
from metadata_service.config import Timing
from metadata_service.db.database import Row, Statement, Transaction

_LEASE: Final = "lease_expires_at = now() + make_interval(secs => %(lease)s)"
_RECORD_MULTIPART: Final = f"""
UPDATE blobs SET upload_id = %(upload_id)s, kind = {MULTIPART}, {_LEASE}
WHERE {AT_EPOCH} AND state = {PENDING} AND kind IN ({SINGLE}, {MULTIPART})
    AND upload_id IN ('', %(upload_id)s)
"""
_RENEW: Final = f"UPDATE blobs SET {_LEASE} WHERE {AT_EPOCH} AND state IN {OPEN}"

#: The newest writer of a session shuts out the previous one.
_TAKE: Final = f"""
UPDATE blobs SET epoch = epoch + 1, lease_expires_at = now() + make_interval(secs =>
    CASE WHEN state = {PENDING} THEN %(session)s ELSE %(lease)s END)
WHERE {ONE} AND state IN {OPEN}
"""
_RECORD_PROGRESS: Final = f"""
UPDATE blobs SET lease_expires_at = now() + make_interval(secs => %(session)s),
    upload_id = coalesce(%(multipart)s, upload_id),
    kind = CASE WHEN %(multipart)s::text IS NULL THEN kind ELSE {MULTIPART} END,
    reserved_bytes = %(reserved)s, content_type = %(content_type)s, spec = %(spec)s
WHERE {ONE}
"""
#: The same for the attempt in the statement's relation `written`, which has locked it; spec and content type
#: stay.
PROGRESS_OF_WRITTEN: Final = f"""
UPDATE blobs SET lease_expires_at = now() + make_interval(secs => %(session)s),
    upload_id = coalesce(%(multipart)s, blobs.upload_id),
    kind = CASE WHEN %(multipart)s::text IS NULL THEN blobs.kind ELSE {MULTIPART} END,
    reserved_bytes = greatest(blobs.reserved_bytes, %(persisted)s)
FROM written WHERE blobs.owner_id = written.owner_id AND blobs.id = written.blob_id
"""
_TELL_DAMAGE: Final = f"""
UPDATE blobs SET damage_told_at = now()
WHERE {ONE} AND state = {COMMITTED}
    AND (damage_told_at IS NULL OR damage_told_at <= now() - make_interval(secs => %(again)s))
"""
# The pause only says when the cleaner looks again. The owner's own repeat waits for the lease alone, which is
# over in COMPLETING and stays so.
_RELEASE: Final = f"""
UPDATE blobs SET not_before = now() + pause.length, failure = nullif(%(failure)s::text, '')
FROM (
    SELECT make_interval(secs => least(%(retry)s * 2 ^ least(attempts - 1, 20),
        CASE WHEN state = {COMPLETING} THEN least(%(roll_forward_max)s, %(retry_max)s)
            ELSE %(retry_max)s END)) AS length
    FROM blobs WHERE {AT_EPOCH}
) AS pause
WHERE {AT_EPOCH} AND (state = {COMPLETING} OR state IN {TO_CLEAN})
"""

# While another attempt at a shared key is undecided, the key's newest version may still change.
_KEEP_HIDDEN: Final = f"""
UPDATE blobs SET attempts = 0, not_before = CASE WHEN key_shared AND EXISTS (
        SELECT FROM blobs AS others WHERE others.key = blobs.key AND others.key_shared
            AND (others.state IN {OPEN} OR others.state = {ABORTING}))
    THEN now() + make_interval(secs => %(retry)s)
    ELSE greatest(now(), state_changed_at + make_interval(secs => %(window)s)) END
WHERE {AT_EPOCH} AND state = {DELETING}
"""

#: Releases the reservation of an attempt in COMPLETING whose lease is over and whose request has another
#: attempt. It may still be rolled forward, but only one of the two can commit, so only one counts.
_GIVE_ROOM: Final = f"""
UPDATE blobs SET reserved_bytes = 0, reserved_files = 0
WHERE {ONE} AND state = {COMPLETING} AND lease_expires_at <= now()
"""
# The row of kind LEFTOVERS beside a committed one names the version to keep. It has to be updated, too;
# otherwise the cleaner would take the bytes for those of a late request.
_RELINK: Final = f"""
WITH given AS (
    SELECT * FROM unnest(%(owners)s::text[], %(ids)s::uuid[], %(old)s::text[], %(sizes)s::bigint[],
        %(crcs)s::bigint[], %(versions)s::text[], %(etags)s::text[])
        AS given (owner_id, id, old, size_bytes, crc32c, version_id, etag)
), relinked AS (
    UPDATE blobs SET version_id = given.version_id, etag = given.etag, damage = NULL
    FROM given
    WHERE blobs.owner_id = given.owner_id AND blobs.id = given.id AND blobs.state = {COMMITTED}
        AND blobs.version_id = given.old AND blobs.size_bytes = given.size_bytes
        AND blobs.crc32c = given.crc32c
    RETURNING blobs.owner_id, blobs.id, blobs.key, given.old, given.version_id, given.etag
), beside AS (
    UPDATE blobs SET version_id = relinked.version_id FROM relinked
    WHERE blobs.owner_id = relinked.owner_id AND blobs.key = relinked.key AND blobs.key_shared
        AND blobs.kind = {LEFTOVERS} AND blobs.version_id = relinked.old
)
SELECT owner_id, id, version_id, etag FROM relinked
"""
#: Only committed blobs whose version is unchanged.
_FOLLOW_CLASSES: Final = f"""
UPDATE blobs SET storage_class = given.storage_class
FROM unnest(%(owners)s::text[], %(ids)s::uuid[], %(versions)s::text[], %(classes)s::text[])
    AS given (owner_id, id, version_id, storage_class)
WHERE blobs.owner_id = given.owner_id AND blobs.id = given.id AND blobs.state = {COMMITTED}
    AND blobs.version_id = given.version_id AND blobs.storage_class <> given.storage_class
"""
_SET_FILE: Final = f"UPDATE blobs SET file_id = %(file_id)s, file_generation = %(generation)s WHERE {ONE}"


async def record_multipart(tx: Transaction, handle: Handle, upload_id: str, lease: float) -> None:
    """T2: store the S3 upload id of a PENDING blob, and renew its lease.

    The blob is multipart from now on: a body of unknown size may turn out larger than a part. Raises
    UploadSuperseded.
    """
    if await tx.execute(_RECORD_MULTIPART, handle.params(upload_id=upload_id, lease=lease)):
        return
    found = await at_epoch(tx, handle)
    if found.state not in {COMPLETING, COMMITTED} or found.upload_id != upload_id:
        raise superseded()


async def renew(tx: Transaction, handle: Handle, lease: float) -> None:
    """Set the lease of a PENDING or COMPLETING blob to `lease` seconds from now. Raises UploadSuperseded.

    An expired lease can be renewed while no cleaner has acted on it.
    """
    if await tx.execute(_RENEW, handle.params(lease=lease)):
        return
    if (await at_epoch(tx, handle)).state != COMMITTED:
        raise superseded()


def take(values: Mapping[str, object]) -> Statement:
    """The statement by which the newest writer of a session takes its open attempt (`owner`, `id`) at a new
    epoch.

    The lease is `session` seconds (COMPLETING: `lease`).
    """
    return _TAKE, values


def record_progress(values: Mapping[str, object]) -> Statement:
    """The statement that records a session's progress in its blob, which the caller has locked.

    `values`: `multipart` (upload id; None: unchanged), `spec`, `content_type`, `reserved` bytes, and
    `session`, the new lease in seconds.
    """
    return _RECORD_PROGRESS, values


async def tell_damage(tx: Transaction, owner_id: str, blob_id: UUID, again: float) -> bool:
    """Note that the owner is told of the object's damage now.

    Returns False if the owner was told less than `again` seconds ago, or the blob is not COMMITTED.
    """
    return bool(await tx.execute(_TELL_DAMAGE, {"owner": owner_id, "id": blob_id, "again": again}))


def set_file(blob: BlobRow, file_id: UUID, generation: int) -> Statement:
    """Record the file of a committed blob, if it is not the first generation of a new file."""
    return _SET_FILE, {"owner": blob.owner_id, "id": blob.id, "file_id": file_id, "generation": generation}


def follow_classes(values: Mapping[str, object]) -> Statement:
    """Record new storage classes of committed objects, moved by the bucket's rules.

    `values`: arrays of the same length `owners`, `ids`, `versions` (rows with another version are not
    changed), `classes`.
    """
    return _FOLLOW_CLASSES, values


async def give_room(tx: Transaction, owner_id: str, blob_id: UUID) -> None:
    """Release the reservation of an attempt in COMPLETING whose lease is over, for the attempt that replaces
    it.
    """
    await tx.execute(_GIVE_ROOM, {"owner": owner_id, "id": blob_id})


async def release(tx: Transaction, handle: Handle, timing: Timing, failure: str = "") -> None:
    """Give a claim back. It is due again after `retry` seconds, doubled with each claim, at most `retry_max`
    (COMPLETING: at most `roll_forward_max`, too).

    Raises UploadSuperseded.
    """
    pauses = {
        "retry": timing.retry,
        "retry_max": timing.retry_max,
        "roll_forward_max": timing.roll_forward_max,
        "failure": failure,
    }
    if not await tx.execute(_RELEASE, handle.params(**pauses)):
        raise superseded()


async def keep_hidden(tx: Transaction, handle: Handle, timing: Timing) -> None:
    """Give back the claim on a deleted object that is hidden now.

    It is due when the restore window is over, or after `retry` seconds while other attempts at its key are
    undecided. Raises UploadSuperseded.
    """
    params = handle.params(retry=timing.retry, window=timing.restore_window)
    if not await tx.execute(_KEEP_HIDDEN, params):
        raise superseded()


async def relink(tx: Transaction, values: Mapping[str, object]) -> list[Row]:
    """Point committed rows to other versions of the same bytes. Returns (owner, id, version id, tag) of each.

    `values`: arrays of the same length: `owners`, `ids`; `old` version ids, `sizes` and `crcs`, which the
    rows must have; the new `versions` and `etags`.
    """
    return await tx.fetch(_RELINK, dict(values))
