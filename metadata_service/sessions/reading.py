"""Reads sessions, and makes the newest writer the owner of the epoch."""

from __future__ import annotations

import math
from typing import Final

from metadata_service.blobs import upkeep
from metadata_service.blobs.states import COMPLETING, PENDING
from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction, user
from metadata_service.sessions import rows
from servicekit import failpoints
from servicekit.auth.principal import Principal, effective_owner
from strongroom.metadata.v1.upload_session_service_pb2 import Session

BEFORE_ACQUIRE: Final = failpoints.register("metadata.session.acquire.before_commit")
AFTER_ACQUIRE: Final = failpoints.register("metadata.session.acquire.after_commit")

_OWNER: Final = "SELECT owner_id FROM upload_sessions WHERE upload_id = %s"
_TOUCH: Final = """
UPDATE upload_sessions SET expires_at = now() + make_interval(secs => %(session)s)
WHERE owner_id = %(owner)s AND blob_id = %(id)s
"""


class SessionReader:
    """Finds sessions by their ids."""

    def __init__(self, database: Database, timing: Timing) -> None:
        self._database = database
        self._timing = timing

    async def owner_of(self, principal: Principal, upload_id: str) -> str:
        """The owner of the session that the caller means: the caller; for admins anybody."""
        if principal.is_admin:
            found = await self._database.read(SYSTEM, _OWNER, (upload_id,))
            if found:
                return str(found[0][0])
        return effective_owner(principal, "")

    async def get(self, owner_id: str, upload_id: str) -> Session:
        """The session without its parts. Raises UploadNotFound, UploadExpired, UploadLost."""
        found = await self._database.read(
            user(owner_id), rows.BY_NAME, {"owner": owner_id, "upload_id": upload_id}
        )
        if not found:
            raise rows.not_found()
        row = rows.SessionRow.of(found[0])
        if not row.was_committed:
            row.living_blob()
            return row.to_proto()

        async def work(tx: Transaction) -> Session:
            row = await rows.read(tx, owner_id, upload_id)
            return await rows.show(tx, row, replaced_for=rows.REPLACED_SECONDS)

        return await self._database.transact(user(owner_id), work)

    async def acquire(self, owner_id: str, upload_id: str) -> Session:
        """The session with its parts, at a new epoch; a finished one unchanged, even if its file has new
        content.

        Raises UploadNotFound, UploadExpired, UploadLost.
        """

        async def work(tx: Transaction) -> Session:
            row = await rows.lock(tx, owner_id, upload_id)
            blob = row.blob if row.was_committed else row.living_blob()
            if blob and blob.state in {PENDING, COMPLETING} and not row.is_finished_partial:
                values = {
                    "owner": owner_id,
                    "id": row.blob_id,
                    "session": self._timing.session,
                    "lease": self._timing.lease,
                }
                named = (rows.BY_NAME, {"owner": owner_id, "upload_id": upload_id})
                taken = await tx.fetch_batch([upkeep.take(values), (_TOUCH, values), named])
                row = rows.SessionRow.of(taken[-1][0])
            shown = await rows.show(tx, row, with_parts=True, replaced_for=math.inf)
            await failpoints.hit(BEFORE_ACQUIRE)
            return shown

        session = await self._database.transact(user(owner_id), work)
        await failpoints.hit(AFTER_ACQUIRE)
        return session
