"""D1: a file becomes invisible at once and permanently; its object is removed after the read grace (rule R5).

Also soft deletion: the file can be restored until its purge time, and its object stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.blobs import transitions
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.db.errors import UniqueConflict
from metadata_service.files import events
from metadata_service.files.preconditions import check_generation
from metadata_service.files.retention import HELD
from metadata_service.files.rows import COLUMNS, VISIBLE, mark_deleted, to_file
from metadata_service.usage import quota, tallies
from servicekit import failpoints
from strongroom.errors import AlreadyExists, FileNotFound, PreconditionFailed
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import MovedFile

BEFORE_COMMIT: Final = failpoints.register("metadata.d1.before_commit")
AFTER_COMMIT: Final = failpoints.register("metadata.d1.after_commit")

_LOCK_BY_ID: Final = f"""
SELECT {COLUMNS}, files.blob_id FROM files
WHERE owner_id = %(owner)s AND id = %(id)s AND {VISIBLE} FOR UPDATE
"""
_LOCK_BY_KEY: Final = f"""
SELECT {COLUMNS}, files.blob_id FROM files
WHERE owner_id = %(owner)s AND key = %(key)s AND {VISIBLE} FOR UPDATE
"""
_REMOVE: Final = "DELETE FROM files WHERE owner_id = %s AND id = %s"
_HIDE: Final = """
UPDATE files SET deleted_at = now(), purge_at = now() + make_interval(secs => %(window)s)
WHERE owner_id = %(owner)s AND id = %(id)s RETURNING deleted_at, purge_at
"""
_REMOVE_MANY: Final = "DELETE FROM files WHERE owner_id = %(owner)s AND id = ANY(%(ids)s)"
_HIDE_MANY: Final = """
UPDATE files SET deleted_at = now(), purge_at = now() + make_interval(secs => %(window)s)
WHERE owner_id = %(owner)s AND id = ANY(%(ids)s)
"""
#: A restored file may come after another one in its slot. Readers that know that one by its date have to see
#: a newer date.
_RESTORE: Final = f"""
UPDATE files SET deleted_at = NULL, purge_at = NULL,
    updated_at = CASE WHEN slot IS NULL THEN updated_at ELSE now() END
WHERE owner_id = %(owner)s AND id = %(id)s AND deleted_at IS NOT NULL AND (purge_at > now() OR {HELD})
RETURNING {COLUMNS}
"""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Which file to delete, by id or key, and its precondition. `family` 0: any."""

    owner_id: str
    file_id: UUID | None = None
    key: str = ""
    family: int = 0
    if_generation_match: int | None = None
    soft: bool = False


class Deleter:
    """Deletes and restores files."""

    def __init__(self, database: Database, timing: Timing, limits: Limits) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits

    async def delete(self, wanted: Deletion) -> File:
        """Delete a file. Returns it as it was. Raises FileNotFound (also when repeated), PreconditionFailed,
        RetentionHeld.
        """
        file = await self._database.transact(
            user(wanted.owner_id), lambda tx: self._in_transaction(tx, wanted)
        )
        await failpoints.hit(AFTER_COMMIT)
        return file

    async def undelete(self, owner_id: str, file_id: UUID) -> File:
        """Make a soft-deleted file visible again. Returns it.

        Raises FileNotFound (there is none, or its purge time is over), AlreadyExists (its slot has another
        file), QuotaExceeded, FileCountExceeded.
        """
        try:
            return await self._database.transact(
                user(owner_id), lambda tx: self._restore(tx, owner_id, file_id)
            )
        except UniqueConflict as conflict:
            raise AlreadyExists(
                "Another file has taken this one's place; delete or move that one first."
            ) from conflict

    async def _in_transaction(self, tx: Transaction, wanted: Deletion) -> File:
        file, blob_id = await _lock(tx, wanted)
        if wanted.if_generation_match is not None:
            check_generation(wanted.if_generation_match, file.generation)
        if wanted.soft:
            row = await tx.fetch_one(
                _HIDE, {"owner": file.owner_id, "id": UUID(file.id), "window": self._timing.soft_delete}
            )
            if row:
                mark_deleted(file, *row)
            await tx.batch(_counted_out(file))
        else:
            await remove(tx, file, blob_id, self._timing.read_grace)
        await failpoints.hit(BEFORE_COMMIT)
        return file

    async def _restore(self, tx: Transaction, owner_id: str, file_id: UUID) -> File:
        row = await tx.fetch_one(_RESTORE, {"owner": owner_id, "id": file_id})
        if row is None:
            raise not_found()
        file = to_file(row)
        limits = quota.read_limits(owner_id)
        counted = [events.file_ready(file), quota.count(owner_id, file.size_bytes, 1)]
        await tx.batch([*counted, *tallies.became_visible(file)])
        await quota.ensure_room(tx, owner_id, quota.limits(await tx.fetch(*limits), self._limits))
        return file


async def remove(tx: Transaction, file: File, blob_id: UUID, grace: float) -> None:
    """Delete the row with its details, and move its blob to DELETING. The caller has locked the file.

    A soft-deleted file was counted out and reported when it was hidden.
    """
    await tx.batch(_removal(file, blob_id, grace))


async def moved_away(
    tx: Transaction, owner_id: str, moves: MovedFile, replaced: UUID | None, grace: float
) -> tuple[File, list[Statement]]:
    """Lock the source of a move. Returns it with the statements that remove it: none if it is the file that
    the move replaces (`replaced`).

    Raises FileNotFound, PreconditionFailed {actual, of: source}.
    """
    file, blob_id = await _lock(tx, Deletion(owner_id, UUID(moves.file_id)))
    if file.generation != moves.generation:
        raise PreconditionFailed(
            "The file has changed while it was moved: it stays where it is, as it is now; move it again.",
            metadata={"actual": str(file.generation), "of": "source"},
        )
    return file, [] if UUID(file.id) == replaced else _removal(file, blob_id, grace)


def _removal(file: File, blob_id: UUID, grace: float) -> list[Statement]:
    statements = [
        (_REMOVE, (file.owner_id, UUID(file.id))),
        transitions.delete(file.owner_id, blob_id, grace),
    ]
    return statements if file.HasField("delete_time") else [*statements, *_counted_out(file)]


def remove_many(owner_id: str, file_ids: list[UUID], blob_ids: list[UUID], grace: float) -> list[Statement]:
    """The statements that delete rows and move their blobs to DELETING.

    The caller has locked the files, and counts out and reports those that were visible.
    """
    return [
        (_REMOVE_MANY, {"owner": owner_id, "ids": file_ids}),
        transitions.delete_many(owner_id, blob_ids, grace),
    ]


def hide_many(owner_id: str, file_ids: list[UUID], window: float) -> Statement:
    """The statement that soft-deletes files for `window` seconds. The caller has locked them, and counts out
    and reports them.
    """
    return _HIDE_MANY, {"owner": owner_id, "ids": file_ids, "window": window}


def _counted_out(file: File) -> list[Statement]:
    """The event, usage and tallies for a file that is no longer visible."""
    counted = [events.file_deleted(file), quota.count(file.owner_id, -file.size_bytes, -1)]
    return [*counted, *tallies.became_invisible(file)]


def not_found(thing: str = "file") -> FileNotFound:
    """The error for a missing `thing`; it does not reveal whether somebody else has it."""
    return FileNotFound(f"There is no such {thing}, or it is not yours.")


async def _lock(tx: Transaction, wanted: Deletion) -> tuple[File, UUID]:
    """Lock the file; waits for a replacement that is being committed."""
    query = _LOCK_BY_KEY if wanted.file_id is None else _LOCK_BY_ID
    row = await tx.fetch_one(query, {"owner": wanted.owner_id, "id": wanted.file_id, "key": wanted.key})
    if row is None:
        raise not_found()
    file = to_file(row[:-1])
    if wanted.family and file.family != wanted.family:
        raise not_found()
    return file, row[-1]
