"""Idempotency of saves: the same table and the same rules as for uploads (`idempotency`), where a save
holds the key.

`idempotency_keys.blob_id` is then the save's id. Fingerprints tell saves from uploads, so a key that was
used for one
is refused for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.db.database import Statement, Transaction
from strongroom.errors import IdempotencyKeyReused, RequestInProgress
from strongroom.metadata.v1.project_save_service_pb2 import CommitSaveResponse

#: How long to wait for a save under way: its lease is renewed as long as it lives, so that says nothing.
RETRY_SECONDS: Final = 2.0

_CLAIM: Final = """
INSERT INTO idempotency_keys (owner_id, request_id, fingerprint, blob_id, expires_at)
VALUES (%(owner)s, %(request_id)s, %(fingerprint)s, %(save)s, now() + make_interval(secs => %(keep)s))
ON CONFLICT (owner_id, request_id) DO NOTHING
"""
_LOOK: Final = """
SELECT keys.fingerprint, keys.reply, keys.expires_at <= now(), keys.blob_id,
    EXISTS (SELECT FROM project_saves AS saves WHERE saves.owner_id = keys.owner_id AND saves.id =
    keys.blob_id
        AND saves.lease_expires_at > now())
    OR EXISTS (SELECT FROM blobs WHERE blobs.owner_id = keys.owner_id AND blobs.id = keys.blob_id
        AND blobs.state IN (1, 2) AND blobs.lease_expires_at > now())
FROM idempotency_keys AS keys WHERE keys.owner_id = %(owner)s AND keys.request_id = %(request_id)s FOR UPDATE
"""
_TAKE_OVER: Final = """
UPDATE idempotency_keys SET blob_id = %(save)s, fingerprint = %(fingerprint)s, guess_fingerprint = NULL,
    size_bytes = NULL, crc32c = NULL, reply = NULL,
    created_at = CASE WHEN expires_at <= now() THEN now() ELSE created_at END,
    expires_at = now() + make_interval(secs => %(keep)s)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND blob_id = %(previous)s
    AND (reply IS NULL OR expires_at <= now())
"""
_ANSWER: Final = """
UPDATE idempotency_keys SET reply = %(reply)s, expires_at = now() + make_interval(secs => %(keep)s)
WHERE owner_id = %(owner)s AND request_id = %(request_id)s AND blob_id = %(save)s AND reply IS NULL
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A save that wants its request id; `keep` in seconds."""

    owner_id: str
    request_id: str
    fingerprint: bytes
    save_id: UUID
    keep: float

    def params(self, **more: object) -> dict[str, object]:
        """Named parameters of the statements here."""
        return {
            "owner": self.owner_id,
            "request_id": self.request_id,
            "fingerprint": self.fingerprint,
            "save": self.save_id,
            "keep": self.keep,
            **more,
        }


async def claim(tx: Transaction, wanted: Claim) -> CommitSaveResponse | None:
    """The stored answer of an earlier request with this id, or None once the id belongs to this save.

    Raises RequestInProgress, IdempotencyKeyReused.
    """
    if not wanted.request_id or await tx.execute(_CLAIM, wanted.params()):
        return None
    row = await tx.fetch_one(_LOOK, wanted.params())
    if row is None:  # forgotten between the two statements: a retry finds it free
        raise in_progress()
    fingerprint, reply, expired, previous, alive = row
    if not (expired and not alive):
        if fingerprint != wanted.fingerprint:
            raise IdempotencyKeyReused(
                "This idempotency key was used for another request in the last 24 hours; use a new one."
            )
        if reply is not None:
            return CommitSaveResponse.FromString(reply)
        if alive:
            raise in_progress()
    if not await tx.execute(_TAKE_OVER, wanted.params(previous=previous)):
        raise in_progress()
    return None


def answer(
    owner_id: str, request_id: str, save_id: UUID, reply: CommitSaveResponse, keep: float
) -> Statement:
    """The commit's statement: keeps the answer for repeats."""
    return _ANSWER, {
        "owner": owner_id,
        "request_id": request_id,
        "save": save_id,
        "reply": reply.SerializeToString(),
        "keep": keep,
    }


def in_progress() -> RequestInProgress:
    """Another save of this project, or of this request, is under way."""
    return RequestInProgress(
        "A save of this project is under way; try again in a moment.", retry_after=RETRY_SECONDS
    )
