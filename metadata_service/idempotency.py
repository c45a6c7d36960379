"""One answer per request id (AIP-155): the row (owner, request id) names the attempt that holds the key,
later its answer.

Kept for 24 h (a setting) from the answer on, even when the file is deleted meanwhile (rule R6); after that
the id is free and a request with it is a new one. While an attempt is alive its row is never forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from metadata_service.blobs import transitions
from metadata_service.blobs.rows import BlobRow
from metadata_service.db.database import Statement, Transaction
from strongroom.errors import IdempotencyKeyReused, RequestInProgress
from strongroom.metadata.v1.file_pb2 import File

_MAX_RETRY_AFTER: Final = 30.0
_MIN_RETRY_AFTER: Final = 1.0

#: Goes before the insert of the blob, in one statement: both rows or, when the key is taken, none.
CLAIM: Final = """
WITH claim AS (
    INSERT INTO idempotency_keys (owner_id, request_id, fingerprint, blob_id, expires_at)
    VALUES (%(owner)s, %(request_id)s, %(fingerprint)s, %(id)s, now() + make_interval(secs => %(keep)s))
    ON CONFLICT (owner_id, request_id) DO NOTHING
    RETURNING owner_id
)
"""

_LOOK: Final = """
SELECT ARRAY[keys.fingerprint, keys.guess_fingerprint], keys.blob_id, keys.reply, keys.expires_at <= now(),
    CASE WHEN attempt.state IN (1, 2) AND attempt.lease_expires_at > now()
        THEN attempt.lease_expires_at - now() END
FROM idempotency_keys AS keys
LEFT JOIN blobs AS attempt ON attempt.owner_id = keys.owner_id AND attempt.id = keys.blob_id
WHERE keys.owner_id = %(owner)s AND keys.request_id = %(request_id)s
"""

_LOCK_ATTEMPT: Final = """
SELECT state IN (1, 2) AND lease_expires_at > now() FROM blobs
WHERE owner_id = %(owner)s AND id = %(previous)s FOR UPDATE
"""

_TAKE_OVER: Final = """
UPDATE idempotency_keys SET blob_id = %(id)s, fingerprint = %(fingerprint)s, guess_fingerprint = NULL,
    size_bytes = NULL, crc32c = NULL, reply = NULL,
    created_at = CASE WHEN expires_at <= now() THEN now() ELSE created_at END,
    expires_at = now() + make_interval(secs => %(keep)s)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND blob_id = %(previous)s
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

_WINNER: Final = """
SELECT reply FROM idempotency_keys
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND blob_id <> %(id)s AND reply IS NOT NULL
    AND created_at <= %(began)s
"""

_FORGET: Final = """
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT due.ctid FROM idempotency_keys AS due
    WHERE due.expires_at <= now() AND (due.reply IS NOT NULL OR NOT EXISTS (
        SELECT FROM blobs AS attempt
        WHERE attempt.owner_id = due.owner_id AND attempt.id = due.blob_id AND attempt.state IN (1, 2)
    ))
    ORDER BY due.expires_at LIMIT %(limit)s FOR UPDATE OF due SKIP LOCKED
)) AND expires_at <= now()
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that wants its key: `blob_id` is the attempt it would start; `keep` in seconds."""

    owner_id: str
    request_id: str
    fingerprint: bytes
    blob_id: UUID
    keep: float

    def params(self) -> dict[str, object]:
        """Named parameters of the statements here."""
        return {
            "owner": self.owner_id,
            "request_id": self.request_id,
            "fingerprint": self.fingerprint,
            "id": self.blob_id,
            "keep": self.keep,
        }


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who has the key now. `lease`: how long its attempt still lives, None when it is dead or done.

    A request that began with a guessed target has two fingerprints: its repeat begins with the first.
    """

    fingerprints: list[bytes | None]
    blob_id: UUID
    reply: bytes | None
    expired: bool
    lease: timedelta | None


async def decide(tx: Transaction, claim: Claim) -> File | None:
    """What becomes of a request whose key is taken: the stored answer, or None once this claim has taken the
    key over.

    Raises RequestInProgress (with retry_after) and IdempotencyKeyReused.
    """
    row = await tx.fetch_one(_LOOK, claim.params())
    if row is None:  # forgotten between the two statements: a retry finds it free
        raise _in_progress(None)
    holder = _Holder(*row)
    if holder.expired and holder.lease is None:
        await _take_over(tx, claim, holder)
        return None
    if claim.fingerprint not in holder.fingerprints:
        raise IdempotencyKeyReused(
            "This idempotency key was used for another request in the last 24 hours; use a new one."
        )
    if holder.reply is not None:
        return File.FromString(holder.reply)
    if holder.lease is not None:
        raise _in_progress(holder.lease)
    await _take_over(tx, claim, holder)
    return None


async def _take_over(tx: Transaction, claim: Claim, holder: _Holder) -> None:
    """The holder's attempt is dead: shut it out, then take its place. Locks blob before key, as T4 does."""
    params = {**claim.params(), "previous": holder.blob_id}
    locked = await tx.fetch_one(_LOCK_ATTEMPT, params)
    revived = locked is not None and locked[0]
    if revived or not await tx.execute(_TAKE_OVER, params):
        raise _in_progress(None)  # its writer or another request was quicker
    await transitions.expire(tx, claim.owner_id, holder.blob_id)
    await transitions.give_room(tx, claim.owner_id, holder.blob_id)


async def move(tx: Transaction, claim: Claim, previous: UUID) -> bool:
    """Hand the key from the caller's own live attempt `previous`, whose target was a guess, to this claim.

    False when `previous` does not hold the key (any more). The old attempt stays until it is abandoned.
    """
    return bool(await tx.execute(_MOVE, {**claim.params(), "previous": previous}))


def answer(blob: BlobRow, file: File, keep: float) -> Statement:
    """T4's statement: changes one row unless another attempt has answered."""
    return _ANSWER, {
        **_asking(blob),
        "size": file.size_bytes,
        "crc32c": file.crc32c,
        "reply": file.SerializeToString(),
        "keep": keep,
    }


async def winner(tx: Transaction, blob: BlobRow) -> File | None:
    """The answer to this blob's request that another attempt has given, if one has."""
    if not blob.request_id:
        return None
    row = await tx.fetch_one(_WINNER, _asking(blob))
    return File.FromString(row[0]) if row else None


def _asking(blob: BlobRow) -> dict[str, object]:
    """`began` keeps a very old attempt from a key that was forgotten and then used for another request."""
    return {"owner": blob.owner_id, "request_id": blob.request_id, "id": blob.id, "began": blob.created_at}


async def forget(tx: Transaction, limit: int) -> int:
    """Remove rows past their time, except those of attempts that may still answer."""
    return await tx.execute(_FORGET, {"limit": limit})


def _in_progress(lease: timedelta | None) -> RequestInProgress:
    seconds = lease.total_seconds() if lease is not None else _MIN_RETRY_AFTER
    return RequestInProgress(
        "A request with this idempotency key is still running; ask again in a moment.",
        retry_after=min(max(seconds, _MIN_RETRY_AFTER), _MAX_RETRY_AFTER),
    )
