"""Makes an object without a committed row a file: T1 and T4 in one transaction.

This follows a restore of the database to an earlier moment, or into an empty one. Only what storage_service
has just read of the object counts; a repeat finds the row and answers with the same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service import idempotency
from metadata_service.attempts.commit import become_visible
from metadata_service.blobs import inserts, transitions
from metadata_service.blobs.rows import COLUMNS, BlobRow
from metadata_service.blobs.states import COMMITTED, COMPLETING, PENDING
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.db.errors import UniqueConflict
from metadata_service.files import creation
from metadata_service.files.carried import Sealing
from metadata_service.files.families import Placed
from metadata_service.restoring.descriptions import Described, describe, described_file
from metadata_service.usage import quota
from servicekit import failpoints
from strongroom.errors import AlreadyExists, DatabaseUnavailable, PreconditionFailed, RequestInProgress
from strongroom.metadata.v1.blob_pb2 import BLOB_KIND_SINGLE
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.restoration_pb2 import ObjectDescription, StoredObject

BEFORE_ADOPT: Final = failpoints.register("metadata.restore.adopt.before_commit")
AFTER_ADOPT: Final = failpoints.register("metadata.restore.adopt.after_commit")

_SLOT_TRIES: Final = 5
_LOCK: Final = f"SELECT {COLUMNS}, now() FROM blobs WHERE owner_id = %(owner)s AND id = %(id)s FOR UPDATE"
_NOW: Final = "SELECT now()"
_INSERT: Final = inserts.pending(
    {
        "owner_id": "%(owner)s",
        "id": "%(id)s",
        "kind": str(BLOB_KIND_SINGLE),
        "key": "%(key)s",
        "key_shared": "%(key_shared)s",
        "content_type": "%(content_type)s",
        "spec": "%(spec)s",
        "object_metadata": "%(metadata)s",
        "reserved_bytes": "0",
        "reserved_files": "0",
        "lease_expires_at": "now()",
    }
)
#: The file is as old as its object. One that replaces another keeps that one's creation time.
_DATED: Final = """
UPDATE files SET updated_at = %(at)s, created_at = CASE WHEN generation = 1 THEN %(at)s ELSE created_at END
WHERE owner_id = %(owner)s AND id = %(file)s
"""
_DATED_DETAILS: Final = (
    "UPDATE generations SET created_at = %(at)s WHERE owner_id = %(owner)s AND file_id = %(file)s",
    "UPDATE event_media SET created_at = %(at)s WHERE owner_id = %(owner)s AND file_id = %(file)s",
)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The result for an object. `already`: it was that file before."""

    file: File
    already: bool


class Adopter:
    """One instance per process."""

    def __init__(
        self, database: Database, timing: Timing, limits: Limits, sealing: Sealing | None = None
    ) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits
        self._sealing = sealing

    def describe(self, found: StoredObject) -> ObjectDescription:
        """What the object says about itself."""
        return describe(found, self._sealing)

    async def adopt(self, found: StoredObject) -> Adopted:
        """Make the object a file.

        Raises InvalidField (it does not say what it is), RequestInProgress (its upload lives), AlreadyExists
        (its slot, or its key, has newer content), PreconditionFailed (it was deleted, or its time is over),
        QuotaExceeded, FileCountExceeded.
        """
        described = described_file(found, self._sealing)
        for _ in range(_SLOT_TRIES):
            try:
                adopted = await self._database.transact(
                    user(described.owner_id), lambda tx: self._in_transaction(tx, found, described)
                )
            except UniqueConflict as conflict:
                if conflict.constraint not in {"files_slot", "blobs_pkey"}:
                    raise AlreadyExists("Another upload has this object's key, or its file.") from conflict
            else:
                await failpoints.hit(AFTER_ADOPT)
                return adopted
        raise DatabaseUnavailable("Too many uploads to one place at once; try again.", retry_after=1.0)

    async def _in_transaction(self, tx: Transaction, found: StoredObject, described: Described) -> Adopted:
        names = {"owner": described.owner_id, "id": described.attempt_id}
        row = await tx.fetch_one(_LOCK, names)
        if row is None:
            await tx.execute(_INSERT, _columns(found, described))
        else:
            known = BlobRow(*row[:-1])
            if known.state == COMMITTED:
                return Adopted(await creation.committed_file(tx, known), already=True)
            _check_open(known, row[-1])
        blob = await transitions.adopt(tx, names | _content(found, described.attempt_id))
        if blob is None:
            raise RequestInProgress("Its upload is under way.", retry_after=self._timing.lease)
        file = await self._show(tx, blob, described.at)
        await quota.ensure_room(
            tx,
            blob.owner_id,
            quota.limits(await tx.fetch(*quota.read_limits(blob.owner_id)), self._limits),
        )
        await failpoints.hit(BEFORE_ADOPT)
        return Adopted(file, already=False)

    async def _show(self, tx: Transaction, blob: BlobRow, at: datetime) -> File:
        placed = Placed(blob.upload_spec(), blob.owner_id)
        current = await creation.lock_slot(tx, blob.owner_id, placed.slot)
        if current is not None and current.updated_at >= at:
            raise AlreadyExists("Its place has newer content.")
        await _check_lifetime(tx, placed, at)
        if blob.file_id is None:
            raise AssertionError("the transition has set it")
        file = creation.build_file(blob, placed, at, blob.file_id)
        statements = become_visible(file, blob, placed, at, current, read_grace=self._timing.read_grace)
        *shown, counted = statements
        if blob.request_id:
            winner = await idempotency.winner(tx, blob)
            if winner is not None:
                raise AlreadyExists(f"Its request was repeated since, and has made file {winner.id}.")
            shown.insert(0, idempotency.answer(blob, file, self._timing.idempotency))
        await tx.batch([*shown, *_dated(file, at), counted])
        return file


def _check_open(known: BlobRow, now: datetime) -> None:
    """Only an attempt that nobody has ended can be kept."""
    if known.state not in {PENDING, COMPLETING}:
        raise PreconditionFailed("The restored state knows it as deleted, or as given up.")
    if known.lease_expires_at is not None and known.lease_expires_at > now:
        left = (known.lease_expires_at - now).total_seconds()
        raise RequestInProgress("Its upload is under way.", retry_after=max(left, 1.0))


async def _check_lifetime(tx: Transaction, placed: Placed, at: datetime) -> None:
    """Check that a temporary file has not expired. Raises PreconditionFailed."""
    if placed.lifetime is None:
        return
    row = await tx.fetch_one(_NOW)
    if row is not None and at + timedelta(seconds=placed.lifetime) <= row[0].astimezone(UTC):
        raise PreconditionFailed("It was a temporary file, and its time is over.")


def _columns(found: StoredObject, described: Described) -> dict[str, object]:
    return {
        "owner": described.owner_id,
        "id": described.attempt_id,
        "key": found.key,
        "key_shared": described.spec.target.HasField("path"),
        "content_type": described.spec.content_type,
        "spec": described.spec.SerializeToString(),
        "metadata": Jsonb(dict(found.object_metadata)),
    }


def _content(found: StoredObject, attempt_id: UUID) -> dict[str, object]:
    return {
        "size": found.size_bytes,
        "crc32c": found.crc32c,
        "etag": found.etag,
        "version_id": found.version_id,
        "file_id": attempt_id,
    }


def _dated(file: File, at: datetime) -> list[Statement]:
    params: dict[str, object] = {"owner": file.owner_id, "file": UUID(file.id), "at": at}
    return [(statement, params) for statement in (_DATED, *_DATED_DETAILS)]
