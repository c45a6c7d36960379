"""The transitions between the states of a blob, named as in docs/consistency.md, each a compare-and-set (rule
R3). Nothing else updates `state`; a house test checks this.

    PENDING → COMPLETING → COMMITTED → DELETING → GONE → purged
    PENDING, COMPLETING → ABORTING → GONE → purged

A step of an attempt that changes nothing reads the row. If the same attempt has made the step before (and its
reply was lost), it succeeds; otherwise it raises UploadSuperseded. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.blobs import inserts
from metadata_service.blobs.rows import COLUMNS, BlobRow, Handle
from metadata_service.blobs.states import (
    ABORTING,
    COMMITTED,
    COMPLETING,
    COPY,
    DELETING,
    GONE,
    LEFTOVERS,
    MULTIPART,
    OPEN,
    PENDING,
    SINGLE,
)
from metadata_service.db.database import Statement, Transaction
from servicekit.telemetry.tracing import origin
from strongroom.errors import UploadSuperseded

#: A condition: the row of an attempt, at its caller's epoch.
AT_EPOCH: Final = "owner_id = %(owner)s AND id = %(id)s AND epoch = %(epoch)s"
ONE: Final = "owner_id = %(owner)s AND id = %(id)s"
_CHANGED: Final = "attempts = 0, failure = NULL, state_changed_at = now()"


@dataclass(frozen=True, slots=True)
class Transition:
    """`before`: a condition on the row; `to`: the state after the transition; `changes`: other columns to
    set.

    `before` and `changes` may contain parameters of the statement.
    """

    before: str
    to: int
    changes: str

    def of(self, rows: str, source: str = "", *, asked: bool = False) -> str:
        """The UPDATE of the rows that meet both the condition `rows` and `before`.

        `source`: the FROM clause that `rows` joins with. `asked`: the transition is part of a request, whose
        trace the rows join (`%(traceparent)s`; without one they keep theirs).
        """
        joined = f"FROM {source}\n" if source else ""
        changes = f"state = {self.to}, {self.changes}, {_CHANGED}"
        if asked:
            changes += ", traceparent = coalesce(%(traceparent)s, blobs.traceparent)"
        return f"UPDATE blobs SET {changes}\n{joined}WHERE {rows}\n    AND {self.before}\n"


_TO_CLEANER: Final = "not_before = now(), lease_expires_at = NULL"
_SHUT_OUT: Final = f"epoch = blobs.epoch + 1, {_TO_CLEANER}"
_GRACE: Final = "not_before = now() + make_interval(secs => %(grace)s)"

#: T3.
BEGIN_COMPLETION: Final = Transition(
    before=f"state = {PENDING} AND kind IN ({MULTIPART}, {COPY})",
    to=COMPLETING,
    changes="parts = %(parts)s, size_bytes = %(size)s, crc32c = %(crc32c)s, reserved_bytes = %(size)s,"
    " lease_expires_at = now() + make_interval(secs => %(lease)s)",
)
#: T4. Size and checksum must be those of T3; single puts and copies come without T3.
COMMIT: Final = Transition(
    before=f"(state = {PENDING} AND kind IN ({SINGLE}, {COPY})"
    f" OR state = {COMPLETING} AND size_bytes = %(size)s AND crc32c = %(crc32c)s)",
    to=COMMITTED,
    changes="size_bytes = %(size)s, crc32c = %(crc32c)s, etag = %(etag)s, version_id = %(version_id)s,"
    " file_id = %(file_id)s, file_generation = 1, lease_expires_at = NULL",
)
#: T4 of a save, for its staged files.
COMMIT_STAGED: Final = Transition(
    before=f"blobs.state = {PENDING} AND blobs.epoch = 1",
    to=COMMITTED,
    changes="size_bytes = staged.size_bytes, crc32c = staged.crc32c, etag = staged.etag,"
    " version_id = staged.version_id, lease_expires_at = NULL",
)
#: After a restore of the database: an object that was committed after the restored point in time.
ADOPT: Final = Transition(
    before=f"state IN {OPEN} AND save_id IS NULL AND lease_expires_at <= now()",
    to=COMMITTED,
    changes="epoch = epoch + 1, size_bytes = %(size)s, crc32c = %(crc32c)s, etag = %(etag)s,"
    " version_id = %(version_id)s, file_id = %(file_id)s, file_generation = 1, lease_expires_at = NULL",
)
#: Second half of T4 of a partial upload, in the same transaction, so that nobody sees it COMMITTED. The lease
#: ends an hour after the session, so that housekeeping shuts it out before anybody rolls it forward.
KEEP: Final = Transition(
    before=f"state = {COMMITTED}",
    to=COMPLETING,
    changes="file_id = NULL, file_generation = NULL, reserved_bytes = size_bytes,"
    " lease_expires_at = now() + make_interval(secs => %(session)s, hours => 1)",
)
#: Called by the attempt's own writer.
ABANDON: Final = Transition(before=f"state IN {OPEN}", to=ABORTING, changes=_TO_CLEANER)
#: Called by others. The new epoch stops a writer that comes back from changing anything.
SHUT_OUT: Final = Transition(before=f"blobs.state IN {OPEN}", to=ABORTING, changes=_SHUT_OUT)
#: Its writer has fallen silent.
EXPIRE: Final = Transition(
    before=f"blobs.state = {PENDING} AND blobs.lease_expires_at <= now()", to=ABORTING, changes=_SHUT_OUT
)
#: D1, and the old content of a replaced file: the object stays for `grace` seconds.
DELETE: Final = Transition(before=f"blobs.state = {COMMITTED}", to=DELETING, changes=_GRACE)
#: Repair: the row is pointed to its object, whose bytes were examined. Not while the cleaner may still look
#: for versions of this attempt other than the one named before.
RELINK: Final = Transition(
    before=f"""state = {COMMITTED} AND version_id = %(from_version_id)s AND etag = %(from_etag)s
    AND NOT EXISTS (
        SELECT FROM blobs AS beside WHERE beside.owner_id = blobs.owner_id AND beside.key = blobs.key
            AND beside.key_shared AND beside.kind = {LEFTOVERS})""",
    to=COMMITTED,
    changes="version_id = %(version_id)s, etag = %(etag)s, size_bytes = %(size)s, crc32c = %(crc32c)s,"
    " damage = NULL, object_metadata = coalesce(%(metadata)s::jsonb, object_metadata),"
    " content_type = coalesce(%(content_type)s, content_type)",
)
#: Repair: D1 of a blob that nothing shows.
RETIRE: Final = Transition(
    before=f"""state = {COMMITTED}
    AND NOT EXISTS (
        SELECT FROM files WHERE files.owner_id = blobs.owner_id AND files.blob_id = blobs.id)
    AND NOT EXISTS (
        SELECT FROM project_files AS shows WHERE shows.owner_id = blobs.owner_id AND shows.blob_id = blobs.id)
    """,
    to=DELETING,
    changes=_GRACE,
)
#: D3.
FINISH_REMOVAL: Final = Transition(
    before=f"state = %(from_state)s AND state IN ({ABORTING}, {DELETING})",
    to=GONE,
    changes=f"{_GRACE}, parts = ''",
)

_BEGIN_COMPLETION: Final = f"{BEGIN_COMPLETION.of(AT_EPOCH)}RETURNING {COLUMNS}"
_COMMIT: Final = f"{COMMIT.of(AT_EPOCH)}RETURNING {COLUMNS}, now()"
_ADOPT: Final = f"{ADOPT.of(ONE)}RETURNING {COLUMNS}"
_KEEP: Final = KEEP.of(AT_EPOCH)
_ABANDON: Final = ABANDON.of(AT_EPOCH, asked=True)
_SHUT_OUT_AT_EPOCH: Final = SHUT_OUT.of(AT_EPOCH, asked=True)
_SHUT_OUT_ONE: Final = SHUT_OUT.of(ONE, asked=True)
_EXPIRE_ONE: Final = EXPIRE.of(ONE)
_DELETE: Final = DELETE.of(ONE, asked=True)
_DELETE_MANY: Final = DELETE.of("blobs.owner_id = %(owner)s AND blobs.id = ANY(%(ids)s)", asked=True)
_RELINK: Final = RELINK.of(ONE)
_RETIRE: Final = RETIRE.of(ONE, asked=True)
_FINISH: Final = FINISH_REMOVAL.of(AT_EPOCH)
_PURGE: Final = f"DELETE FROM blobs WHERE {AT_EPOCH} AND state = {GONE}"

_READ: Final = f"SELECT {COLUMNS} FROM blobs WHERE {ONE}"
#: Without versioning there is never a second object at a key.
VERSIONED: Final = "blobs.version_id NOT IN ('', 'null')"
_LOOK_AGAIN: Final = f"""
{inserts.leftovers("now()")}
FROM blobs WHERE blobs.owner_id = %(owner)s AND blobs.id = ANY(%(ids)s) AND {VERSIONED}
"""


def superseded() -> UploadSuperseded:
    """The error if another process holds this attempt now, or it was given up."""
    return UploadSuperseded(
        "A newer attempt has taken this upload over, or its lease has run out; send the file again."
    )


async def read(tx: Transaction, handle: Handle) -> BlobRow | None:
    """The current row, at any epoch; None if it was purged."""
    row = await tx.fetch_one(_READ, handle.params())
    return BlobRow(*row) if row else None


async def begin_completion(
    tx: Transaction, handle: Handle, *, parts: bytes, size: int, crc32c: int, lease: float
) -> BlobRow | None:
    """T3: PENDING → COMPLETING. Returns None if this attempt has done it before. Raises UploadSuperseded."""
    params = handle.params(parts=parts, size=size, crc32c=crc32c, lease=lease)
    row = await tx.fetch_one(_BEGIN_COMPLETION, params)
    if row:
        return BlobRow(*row)
    found = await at_epoch(tx, handle)
    if found.state not in {COMPLETING, COMMITTED} or (found.size_bytes, found.crc32c) != (size, crc32c):
        raise superseded()
    return None


def commit(
    handle: Handle, *, size: int, crc32c: int, etag: str, version_id: str, file_id: UUID, answer: str
) -> Statement:
    """The statement of T4 for the blob, → COMMITTED: from PENDING for single puts and copies, otherwise from
    COMPLETING with the size and checksum of T3.

    It returns the row, the time and the SQL expression `answer`; no row if the compare-and-set failed.
    """
    values = handle.params(size=size, crc32c=crc32c, etag=etag, version_id=version_id, file_id=file_id)
    return f"{_COMMIT}, {answer}", values


async def adopt(tx: Transaction, values: Mapping[str, object]) -> BlobRow | None:
    """Commit an object that is in the bucket: PENDING or COMPLETING with an expired lease → COMMITTED.

    `values`: `owner`, `id`, `size`, `crc32c`, `etag`, `version_id`, `file_id`. Returns None if the attempt is
    in another state, or alive.
    """
    row = await tx.fetch_one(_ADOPT, dict(values))
    return BlobRow(*row) if row else None


async def abandon(tx: Transaction, handle: Handle) -> None:
    """PENDING or COMPLETING → ABORTING, due for the cleaner at once.

    Raises UploadSuperseded, also if the attempt is committed.
    """
    if await tx.execute(_ABANDON, handle.params(traceparent=origin())):
        return
    found = await at_epoch(tx, handle)
    if found.state not in {ABORTING, GONE}:
        raise superseded()


async def shut_out(tx: Transaction, handle: Handle) -> bool:
    """PENDING or COMPLETING → ABORTING at a new epoch. Returns False if it is in another state or at another
    epoch.
    """
    return bool(await tx.execute(_SHUT_OUT_AT_EPOCH, handle.params(traceparent=origin())))


def end(owner_id: str, blob_id: UUID) -> Statement:
    """The statement that shuts an attempt out at any epoch: its owner has cancelled."""
    return _SHUT_OUT_ONE, {"owner": owner_id, "id": blob_id, "traceparent": origin()}


def keep(handle: Handle, session: float) -> Statement:
    """The second half of T4 of a partial upload: COMMITTED → COMPLETING.

    The lease ends an hour after `session` seconds.
    """
    return _KEEP, handle.params(session=session)


async def expire(tx: Transaction, owner_id: str, blob_id: UUID) -> bool:
    """PENDING with an expired lease → ABORTING, at a new epoch that shuts its writer out. Returns False if it
    is in another state or alive.
    """
    return bool(await tx.execute(_EXPIRE_ONE, {"owner": owner_id, "id": blob_id}))


def delete(owner_id: str, blob_id: UUID, grace: float) -> Statement:
    """D1, also for the old content of a replaced file: COMMITTED → DELETING. The object stays for `grace`
    seconds.
    """
    return _DELETE, {"owner": owner_id, "id": blob_id, "grace": grace, "traceparent": origin()}


def delete_many(owner_id: str, blob_ids: list[UUID], grace: float) -> Statement:
    """The same for many blobs of one owner."""
    return _DELETE_MANY, {"owner": owner_id, "ids": blob_ids, "grace": grace, "traceparent": origin()}


def relink(values: Mapping[str, object]) -> Statement:
    """The statement that points a committed row to its object (`RELINK`).

    `values`: `owner`, `id`; `from_version_id` and `from_etag`, which the row must have; the new `version_id`,
    `etag`, `size`, `crc32c`; `metadata` and `content_type` (None: unchanged).
    """
    return _RELINK, values


def retire(owner_id: str, blob_id: UUID, grace: float) -> Statement:
    """D1 of a blob that nothing shows. Its object stays for `grace` seconds."""
    return _RETIRE, {"owner": owner_id, "id": blob_id, "grace": grace, "traceparent": origin()}


def look_again(owner_id: str, blob_ids: list[UUID], grace: float) -> Statement:
    """Insert rows of kind LEFTOVERS after T4 of attempts that have repeated an S3 request.

    A late request may create another version at the key; the cleaner checks the key after `grace` seconds.
    Without versioning this is impossible, and no row is inserted.
    """
    return _LOOK_AGAIN, {"owner": owner_id, "ids": blob_ids, "grace": grace}


async def finish_removal(tx: Transaction, handle: Handle, from_state: int, grace: float) -> None:
    """D3: ABORTING or DELETING → GONE for `grace` seconds; from GONE: delete the row. Raises
    UploadSuperseded.
    """
    if from_state == GONE:
        if await tx.execute(_PURGE, handle.params()) or await read(tx, handle) is None:
            return
        raise superseded()
    if await tx.execute(_FINISH, handle.params(from_state=from_state, grace=grace)):
        return
    if (await at_epoch(tx, handle)).state != GONE:
        raise superseded()


async def at_epoch(tx: Transaction, handle: Handle) -> BlobRow:
    """The row, if it is still at the caller's epoch. Raises UploadSuperseded."""
    found = await read(tx, handle)
    if found is None or found.epoch != handle.epoch:
        raise superseded()
    return found
