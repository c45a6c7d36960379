"""Ends of sessions: cancelled by the owner or lost by the store; and partial uploads, which end without a
file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from metadata_service.blobs import transitions
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.sessions import rows
from metadata_service.usage import quota
from servicekit import failpoints

BEFORE_END: Final = failpoints.register("metadata.session.end.before_commit")
AFTER_END: Final = failpoints.register("metadata.session.end.after_commit")

_END: Final = (
    "UPDATE upload_sessions SET ended = %(ended)s WHERE owner_id = %(owner)s AND blob_id = %(blob_id)s"
)

_FINISH: Final = """
UPDATE upload_sessions SET finished_at = coalesce(finished_at, now()), size_bytes = %(size)s,
    persisted_size = %(size)s, prefix_crc32c = %(crc32c)s,
    expires_at = now() + make_interval(secs => %(session)s)
WHERE owner_id = %(owner)s AND blob_id = %(blob_id)s
"""


class SessionEnder:
    """Ends sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cancel(self, owner_id: str, upload_id: str) -> None:
        """Cancel a session for its owner: what was written is removed. A committed file stays
        (storage_service deletes it first).

        Raises UploadNotFound (also the second time), UploadExpired, UploadLost.
        """

        async def work(tx: Transaction) -> None:
            await tx.execute(rows.LOCK_BLOB, {"owner": owner_id, "upload_id": upload_id})
            row = await rows.read(tx, owner_id, upload_id)
            row.living_blob()
            await tx.batch([transitions.end(owner_id, row.blob_id), _ended(row, rows.CANCELLED)])

        await self._run(owner_id, work)

    async def lose(self, handle: Handle) -> None:
        """End a session for its writer: the parts are gone. Raises UploadSuperseded if it is no longer the
        writer.
        """

        async def work(tx: Transaction) -> None:
            blob = await transitions.read(tx, handle)
            found = await tx.fetch_one(rows.BY_BLOB, {"owner": handle.owner_id, "blob_id": handle.blob_id})
            if found is None or blob is None:
                raise transitions.superseded()
            row = rows.SessionRow.of(found)
            if row.ended == rows.LOST:
                return
            if not await transitions.shut_out(tx, handle):
                raise transitions.superseded()
            await tx.execute(*_ended(row, rows.LOST))

        await self._run(handle.owner_id, work)

    async def _run(self, owner_id: str, work: Callable[[Transaction], Awaitable[None]]) -> None:
        async def ending(tx: Transaction) -> None:
            await work(tx)
            await failpoints.hit(BEFORE_END)

        await self._database.transact(user(owner_id), ending)
        await failpoints.hit(AFTER_END)


async def keep_partial(tx: Transaction, blob: BlobRow, timing: Timing, limits: Limits) -> None:
    """T4 of a partial upload: no file; the object stays until the session expires. Raises QuotaExceeded."""
    values = {
        "owner": blob.owner_id,
        "blob_id": blob.id,
        "size": blob.size_bytes,
        "crc32c": blob.crc32c,
        "session": timing.session,
    }
    handle = Handle(blob.owner_id, blob.id, blob.epoch)
    await tx.batch([transitions.keep(handle, timing.session), (_FINISH, values)])
    if (blob.size_bytes or 0) > blob.reserved_bytes:
        await quota.ensure_room(tx, blob.owner_id, limits, blob.id)


def _ended(row: rows.SessionRow, how: int) -> Statement:
    return _END, {"owner": row.owner_id, "blob_id": row.blob_id, "ended": how}
