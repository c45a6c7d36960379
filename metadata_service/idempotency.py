"""One answer per request id (AIP-155): the row (owner, request id) names its holder, an attempt or a save,
and later its answer.

The answer is kept for 24 h (a setting), even if the file is deleted meanwhile (rule R6). After that the id is
free, and a request with it is a new one. A row is never deleted while its holder is alive. Fingerprints
distinguish uploads from saves, so an id used for one is refused for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from metadata_service.blobs import transitions, upkeep
from metadata_service.blobs.rows import BlobRow
from metadata_service.blobs.states import OPEN
from metadata_service.db.database import Statement, Transaction
from strongroom.errors import IdempotencyKeyReused, RequestInProgress
from strongroom.metadata.v1.file_pb2 import File

_MAX_RETRY_AFTER: Final = 30.0
_MIN_RETRY_AFTER: Final = 1.0

_INSERT: Final = """
INSERT INTO idempotency_keys (owner_id, request_id, fingerprint, {holder}, expires_at)
VALUES (%(owner)s, %(request_id)s, %(fingerprint)s, %(id)s, now() + make_interval(secs => %(keep)s))
ON CONFLICT (owner_id, request_id) DO NOTHING
"""
#: Goes before the insert of the blob in one statement: inserts both rows or, if the id is taken, none.
WITH_BLOB: Final = f"WITH held AS ({_INSERT.format(holder='blob_id')} RETURNING owner_id)"
_FOR_SAVE: Final = _INSERT.format(holder="save_id")

#: The last column is the rest of the holder's lease; null: the holder is dead or done.
_LOOK: Final = f"""
SELECT ARRAY[keys.fingerprint, keys.guess_fingerprint], keys.blob_id, keys.save_id, keys.reply,
    keys.expires_at <= now(),
    CASE WHEN attempt.state IN {OPEN} AND attempt.lease_expires_at > now()
            THEN attempt.lease_expires_at - now()
        WHEN save.lease_expires_at > now() THEN save.lease_expires_at - now() END
FROM idempotency_keys AS keys
LEFT JOIN blobs AS attempt ON attempt.owner_id = keys.owner_id AND attempt.id = keys.blob_id
LEFT JOIN project_saves AS save ON save.owner_id = keys.owner_id AND save.id = keys.save_id
WHERE keys.owner_id = %(owner)s AND keys.request_id = %(request_id)s
"""

_LOCK_ATTEMPT: Final = f"""
SELECT state IN {OPEN} AND lease_expires_at > now() FROM blobs
WHERE owner_id = %(owner)s AND id = %(previous_blob)s FOR UPDATE
"""

_TAKE_OVER: Final = """
UPDATE idempotency_keys SET blob_id = %(blob)s, save_id = %(save)s, fingerprint = %(fingerprint)s,
    guess_fingerprint = NULL, size_bytes = NULL, crc32c = NULL, reply = NULL,
    created_at = CASE WHEN expires_at <= now() THEN now() ELSE created_at END,
    expires_at = now() + make_interval(secs => %(keep)s)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s
    AND blob_id IS NOT DISTINCT FROM %(previous_blob)s AND save_id IS NOT DISTINCT FROM %(previous_save)s
    AND (reply IS NULL OR expires_at <= now())
"""

_MOVE: Final = """
UPDATE idempotency_keys SET blob_id = %(id)s, fingerprint = %(fingerprint)s,
    guess_fingerprint = coalesce(guess_fingerprint, fingerprint)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND blob_id = %(previous)s AND reply IS NULL
"""

_ANSWER: Final = """
UPDATE idempotency_keys SET blob_id = %(id)s, size_bytes = %(size)s, crc32c = %(crc32c)s, reply = %(reply)s,
    expires_at = now() + make_interval(secs => %(keep)s)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND reply IS NULL AND created_at <= %(began)s
"""

_ANSWER_SAVE: Final = """
UPDATE idempotency_keys SET reply = %(reply)s, expires_at = now() + make_interval(secs => %(keep)s)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND save_id = %(save)s AND reply IS NULL
"""

_WINNER: Final = """
SELECT reply FROM idempotency_keys
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND blob_id <> %(id)s AND reply IS NOT NULL
    AND created_at <= %(began)s
"""

_FORGET: Final = f"""
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT due.ctid FROM idempotency_keys AS due
    WHERE due.expires_at <= now() AND (due.reply IS NOT NULL OR NOT EXISTS (
        SELECT FROM blobs AS attempt
        WHERE attempt.owner_id = due.owner_id AND attempt.id = due.blob_id AND attempt.state IN {OPEN}
    ) AND NOT EXISTS (
        SELECT FROM project_saves AS save WHERE save.owner_id = due.owner_id AND save.id = due.save_id
    ))
    ORDER BY due.expires_at LIMIT %(limit)s FOR UPDATE OF due SKIP LOCKED
)) AND expires_at <= now()
"""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for its id. `holder`: the attempt, or (`is_save`) the save, that it would start.

    `keep`: seconds for which the answer is kept.
    """

    owner_id: str
    request_id: str
    fingerprint: bytes
    holder: UUID
    keep: float
    is_save: bool = False

    def params(self) -> dict[str, object]:
        """Named parameters of the statements here."""
        return {
            "owner": self.owner_id,
            "request_id": self.request_id,
            "fingerprint": self.fingerprint,
            "id": self.holder,
            "keep": self.keep,
        }


@dataclass(frozen=True, slots=True)
class _Holder:
    """The current holder of the id. `lease`: the rest of its lease, None if it is dead or done.

    A request that began with a guessed target has two fingerprints: its repeat begins with the first.
    """

    fingerprints: list[bytes | None]
    blob_id: UUID | None
    save_id: UUID | None
    reply: bytes | None
    expired: bool
    lease: timedelta | None


Busy = Callable[[timedelta | None], RequestInProgress]
"""Makes the error for a request whose id has a live holder, given the rest of its lease."""


def upload_in_progress(lease: timedelta | None) -> RequestInProgress:
    """The upload that holds the id is alive."""
    seconds = lease.total_seconds() if lease is not None else _MIN_RETRY_AFTER
    return RequestInProgress(
        "A request with this idempotency key is still running; ask again in a moment.",
        retry_after=min(max(seconds, _MIN_RETRY_AFTER), _MAX_RETRY_AFTER),
    )


async def begin_save(tx: Transaction, wanted: Request, busy: Busy) -> bytes | None:
    """The stored answer of an earlier request with this id, or None if the id now belongs to this save.

    Raises as `decide`.
    """
    if not wanted.request_id or await tx.execute(_FOR_SAVE, wanted.params()):
        return None
    return await decide(tx, wanted, busy)


async def answered(tx: Transaction, wanted: Request) -> bytes | None:
    """The stored answer for this id; None if there is none. Never takes over.

    Raises IdempotencyKeyReused.
    """
    row = await tx.fetch_one(_LOOK, wanted.params()) if wanted.request_id else None
    if row is None or _Holder(*row).reply is None or _Holder(*row).expired:
        return None
    return await decide(tx, wanted)


async def decide(tx: Transaction, wanted: Request, busy: Busy = upload_in_progress) -> bytes | None:
    """Decide about a request whose id is taken: the stored answer, or None if this request has taken it over.

    Raises RequestInProgress (with retry_after) and IdempotencyKeyReused.
    """
    row = await tx.fetch_one(_LOOK, wanted.params())
    if row is None:  # deleted between the two statements: a retry finds the id free
        raise busy(None)
    holder = _Holder(*row)
    if holder.expired and holder.lease is None:
        await _take_over(tx, wanted, holder, busy)
        return None
    if wanted.fingerprint not in holder.fingerprints:
        raise IdempotencyKeyReused(
            "This idempotency key was used for another request in the last 24 hours; use a new one."
        )
    if holder.reply is not None:
        return holder.reply
    if holder.lease is not None:
        raise busy(holder.lease)
    await _take_over(tx, wanted, holder, busy)
    return None


async def _take_over(tx: Transaction, wanted: Request, holder: _Holder, busy: Busy) -> None:
    """The holder is dead: shut it out and take its place. Locks blob before key, as T4 does.

    A save needs no shutting out: its successor locks the project next, and ends it there.
    """
    params = {
        **wanted.params(),
        "blob": None if wanted.is_save else wanted.holder,
        "save": wanted.holder if wanted.is_save else None,
        "previous_blob": holder.blob_id,
        "previous_save": holder.save_id,
    }
    if holder.blob_id is not None:
        locked = await tx.fetch_one(_LOCK_ATTEMPT, params)
        if locked is not None and locked[0]:
            raise busy(None)  # its writer was faster
    if not await tx.execute(_TAKE_OVER, params):
        raise busy(None)  # another request was faster
    if holder.blob_id is not None:
        await transitions.expire(tx, wanted.owner_id, holder.blob_id)
        await upkeep.give_room(tx, wanted.owner_id, holder.blob_id)


async def move(tx: Transaction, wanted: Request, previous: UUID) -> bool:
    """Move the id from the caller's own live attempt `previous`, whose target was a guess, to this one.

    False if `previous` does not hold the id, or no longer. The old attempt lives until it is abandoned.
    """
    return bool(await tx.execute(_MOVE, {**wanted.params(), "previous": previous}))


def answer(blob: BlobRow, file: File, keep: float) -> Statement:
    """T4's statement: changes one row, unless another attempt has answered."""
    return _ANSWER, {
        **_asking(blob),
        "size": file.size_bytes,
        "crc32c": file.crc32c,
        "reply": file.SerializeToString(),
        "keep": keep,
    }


def answer_save(owner_id: str, request_id: str, save_id: UUID, reply: bytes, keep: float) -> Statement:
    """The same for T4 of a save."""
    values = {"owner": owner_id, "request_id": request_id, "save": save_id, "reply": reply, "keep": keep}
    return _ANSWER_SAVE, values


async def winner(tx: Transaction, blob: BlobRow) -> File | None:
    """The answer to this blob's request from another attempt, if there is one."""
    if not blob.request_id:
        return None
    row = await tx.fetch_one(_WINNER, _asking(blob))
    return File.FromString(row[0]) if row else None


def _asking(blob: BlobRow) -> dict[str, object]:
    """`began` prevents a very old attempt from using an id that was forgotten and then taken by another
    request.
    """
    return {"owner": blob.owner_id, "request_id": blob.request_id, "id": blob.id, "began": blob.created_at}


async def forget(tx: Transaction, limit: int) -> int:
    """Delete expired rows, except those whose holders may still answer."""
    return await tx.execute(_FORGET, {"limit": limit})
