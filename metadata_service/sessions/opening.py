"""Opens sessions: T1 with a session row, and a lease as long as the session may be idle."""

from __future__ import annotations

import secrets
from typing import Final

from metadata_service.attempts.reservation import Reserver
from metadata_service.attempts.reservation import Session as ReservedSession
from metadata_service.blobs.rows import BlobRow
from metadata_service.blobs.states import COMPLETING, OPEN
from metadata_service.config import Timing
from metadata_service.db.database import Database, Transaction, user
from metadata_service.sessions import rows
from servicekit import failpoints
from strongroom.errors import (
    IdempotencyKeyReused,
    InvalidField,
    RateLimited,
    RequestInProgress,
    StrongroomError,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_PARTIAL,
    SESSION_KIND_SEQUENTIAL,
    SESSION_KIND_UNSPECIFIED,
    OpenSessionRequest,
    Session,
)

AFTER_OPEN: Final = failpoints.register("metadata.session.opened")

_ID_BYTES: Final = 24  # 192 bits, impossible to guess
_INSERT: Final = """
INSERT INTO upload_sessions (owner_id, upload_id, blob_id, kind, request_id, fingerprint, size_bytes,
    annotation, expires_at)
VALUES (%(owner)s, %(upload_id)s, %(blob_id)s, %(kind)s, %(request_id)s, %(fingerprint)s, %(size)s,
    %(annotation)s, %(expires_at)s)
"""
#: When to retry after too many were open: only their owner can end one.
RETRY_SECONDS: Final = 5.0
_LOCK_SEED: Final = 0x5373  # separates these locks from others in the database
_LOCK: Final = f"SELECT pg_advisory_xact_lock(hashtextextended(%(owner)s, {_LOCK_SEED}))"
_COUNT: Final = f"""
SELECT count(*) FROM blobs
JOIN upload_sessions AS session ON session.owner_id = blobs.owner_id AND session.blob_id = blobs.id
WHERE blobs.owner_id = %(owner)s AND blobs.state IN {OPEN} AND session.ended = 0
    AND session.finished_at IS NULL AND (blobs.state = {COMPLETING} OR blobs.lease_expires_at > now())
"""


class SessionOpener:
    """Opens sessions. `most`: open sessions allowed per owner; 0: any number."""

    def __init__(self, database: Database, timing: Timing, reserving: Reserver, most: int = 0) -> None:
        self._most = most
        self._database = database
        self._timing = timing
        self._reserver = reserving

    async def open(self, owner_id: str, request: OpenSessionRequest, *, asking: str = "") -> Session:
        """A new session, or that of an earlier request with the same request id.

        Raises what Reserver.reserve raises, and RateLimited if too many are open.
        """
        if request.kind == SESSION_KIND_UNSPECIFIED:
            raise InvalidField("kind says how the bytes will arrive; set it.", field="kind", rule="required")
        if request.spec.request_id and (known := await self._earlier(owner_id, request)) is not None:
            return known
        upload_id = secrets.token_urlsafe(_ID_BYTES)
        try:
            response = await self._reserver.reserve(
                owner_id, self._reserve_request(request), self._plan(upload_id, request), asking=asking
            )
        except RequestInProgress:
            known = await self._earlier(owner_id, request)  # the same request, sent twice at once
            if known is None:
                raise
            return known
        await failpoints.hit(AFTER_OPEN)
        if response.HasField("replay"):
            return await self._replayed(owner_id, request.spec.request_id, response.replay)
        return await self._database.transact(user(owner_id), lambda tx: _shown(tx, owner_id, upload_id))

    def _plan(self, upload_id: str, request: OpenSessionRequest) -> ReservedSession:
        async def insert(tx: Transaction, blob: BlobRow) -> None:
            spec = request.spec
            values = {
                "owner": blob.owner_id,
                "upload_id": upload_id,
                "blob_id": blob.id,
                "kind": request.kind,
                "request_id": spec.request_id,
                "fingerprint": request.fingerprint,
                "size": spec.size_bytes if spec.HasField("size_bytes") else None,
                "annotation": request.annotation,
                "expires_at": blob.lease_expires_at,
            }
            await tx.execute(_INSERT, values)
            await self._ensure_place(tx, blob.owner_id)

        waits = request.kind in {SESSION_KIND_SEQUENTIAL, SESSION_KIND_PARTIAL}
        lease = self._timing.empty_session if waits else self._timing.session
        return ReservedSession(lease, request.kind == SESSION_KIND_PARTIAL, insert)

    async def _ensure_place(self, tx: Transaction, owner_id: str) -> None:
        """Refuse if this session, whose row exists already, is one too many.

        The owner's requests pass here one after the other, each with a snapshot newer than the lock, which
        contains those before it.
        """
        if not self._most:
            return
        await tx.fetch(_LOCK, {"owner": owner_id})
        ((count,),) = await tx.fetch(_COUNT, {"owner": owner_id})
        if count > self._most:
            raise RateLimited(
                f"You have {self._most} unfinished uploads, and may not have more: finish one, or end it"
                " with DELETE. One of which nothing was sent is deleted automatically.",
                retry_after=RETRY_SECONDS,
                metadata={"limit": "user_open_sessions"},
            )

    def _reserve_request(self, request: OpenSessionRequest) -> ReserveRequest:
        return ReserveRequest(
            spec=request.spec,
            kind=request.blob_kind,
            part_size_bytes=request.part_size_bytes,
            fingerprint=request.fingerprint,
        )

    async def _earlier(self, owner_id: str, request: OpenSessionRequest) -> Session | None:
        """The live session of the same request. Raises IdempotencyKeyReused."""

        async def work(tx: Transaction) -> Session | None:
            values = {"owner": owner_id, "request_id": request.spec.request_id}
            found = await tx.fetch_one(rows.BY_REQUEST, values)
            if found is None:
                return None
            row = rows.SessionRow.of(found)
            try:
                session = await rows.show(tx, row)
            except StrongroomError:  # it has ended: T1 decides whether the request id is free again
                return None
            if row.fingerprint != request.fingerprint:
                raise IdempotencyKeyReused(
                    "This idempotency key was used for another request in the last 24 hours; use a new one."
                )
            return session

        return await self._database.transact(user(owner_id), work)

    async def _replayed(self, owner_id: str, request_id: str, file: File) -> Session:
        """An earlier request has finished, and its file was deleted since: answer as then (rule R6).

        There is no upload_id if the session's row was deleted.
        """
        values = {"owner": owner_id, "request_id": request_id}
        found = await self._database.read(user(owner_id), rows.BY_REQUEST, values)
        return Session(
            upload_id=rows.SessionRow.of(found[0]).upload_id if found else "",
            finished=True,
            file=file,
            persisted_size=file.size_bytes,
            size_bytes=file.size_bytes,
        )


async def _shown(tx: Transaction, owner_id: str, upload_id: str) -> Session:
    return await rows.show(tx, await rows.read(tx, owner_id, upload_id))
