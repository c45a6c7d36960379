"""Records how far a session has come. Order: S3 has accepted → this commits → storage_service
acknowledges.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from metadata_service.blobs import transitions, upkeep
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.blobs.states import PENDING
from metadata_service.config import Limits, Timing
from metadata_service.db.database import (
    Database,
    NothingCommitted,
    Part,
    Statement,
    Transaction,
    user,
)
from metadata_service.db.scopes import INSERT_EVENTS
from metadata_service.db.timestamps import from_proto, to_proto
from metadata_service.sessions import rows
from metadata_service.usage import quota
from servicekit import failpoints
from servicekit.telemetry.tracing import origin
from strongroom.errors import SizeMismatch
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_UPLOAD_PROGRESS
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import (
    RecordProgressRequest,
    RecordProgressResponse,
    Session,
)

BEFORE_RECORD: Final = failpoints.register("metadata.session.record.before_commit")
AFTER_RECORD: Final = failpoints.register("metadata.session.record.after_commit")
AFTER_DECLARE: Final = failpoints.register("metadata.session.declare.after_commit")

_EVENT_SECONDS: Final = 2.0

_LOCK: Final = f"SELECT 1 FROM blobs WHERE {transitions.AT_EPOCH} AND state = {PENDING} FOR UPDATE"
_LOCK_ONE: Final = f"SELECT 1 FROM blobs WHERE {transitions.ONE} AND state = {PENDING} FOR UPDATE"
_WRITE_SESSION: Final = """
UPDATE upload_sessions SET expires_at = now() + make_interval(secs => %(session)s),
    persisted_size = %(persisted)s, prefix_crc32c = %(crc32c)s, segments = %(segments)s, size_bytes = %(size)s
WHERE owner_id = %(owner)s AND blob_id = %(id)s RETURNING expires_at
"""
_WRITE_PARTS: Final = """
INSERT INTO session_parts (owner_id, blob_id, number, etag, size_bytes, crc32c)
SELECT %(owner)s, %(id)s, * FROM unnest(%(numbers)s::bigint[], %(etags)s::text[], %(sizes)s::bigint[],
    %(crcs)s::bigint[])
ON CONFLICT (owner_id, blob_id, number) DO NOTHING
"""
_TELL: Final = f"""
WITH told AS (
    UPDATE upload_sessions SET told_at = now() WHERE owner_id = %(owner)s AND blob_id = %(id)s
        AND (told_at IS NULL OR told_at <= now() - interval '{_EVENT_SECONDS} s') RETURNING upload_id
)
{INSERT_EVENTS}
SELECT %(owner)s, {EVENT_TYPE_UPLOAD_PROGRESS}, upload_id, %(payload)s, %(traceparent)s FROM told
"""
#: Everything in one statement for the usual step, which learns nothing new about the object and needs no
#: further room. Otherwise it changes nothing.
_AT_ONCE: Final = f"""
WITH held AS (
    SELECT owner_id, id, reserved_bytes FROM blobs WHERE {transitions.AT_EPOCH} AND state = {PENDING}
        AND (%(multipart)s::text IS NULL OR upload_id IN ('', %(multipart)s)) FOR UPDATE
), written AS (
    UPDATE upload_sessions AS session SET expires_at = now() + make_interval(secs => %(session)s),
        persisted_size = %(persisted)s, prefix_crc32c = %(crc32c)s, segments = %(segments)s,
        told_at = CASE WHEN persisted_size < %(persisted)s
            AND (told_at IS NULL OR told_at <= now() - interval '{_EVENT_SECONDS} s')
            THEN now() ELSE told_at END
    FROM held WHERE session.owner_id = held.owner_id AND session.blob_id = held.id
        AND persisted_size <= %(persisted)s AND (size_bytes IS NULL OR size_bytes >= %(persisted)s)
        AND (expires_at > now() OR NOT %(continues)s)
        AND (held.reserved_bytes >= %(persisted)s OR %(unlimited)s AND {quota.UNLIMITED})
    RETURNING session.owner_id, session.blob_id, upload_id, expires_at, size_bytes, told_at
), noted AS ({upkeep.PROGRESS_OF_WRITTEN}
), parts AS (
    INSERT INTO session_parts (owner_id, blob_id, number, etag, size_bytes, crc32c)
    SELECT owner_id, blob_id, part.* FROM written, unnest(%(numbers)s::bigint[], %(etags)s::text[],
        %(sizes)s::bigint[], %(crcs)s::bigint[]) AS part
    ON CONFLICT (owner_id, blob_id, number) DO NOTHING
), told AS (
    {INSERT_EVENTS}
    SELECT owner_id, {EVENT_TYPE_UPLOAD_PROGRESS}, upload_id, jsonb_build_object(
        'upload_id', upload_id, 'persisted_size', %(persisted)s::bigint, 'size_bytes', size_bytes),
        %(traceparent)s
    FROM written WHERE told_at = now()
)
SELECT expires_at, told_at IS NOT DISTINCT FROM now() FROM written
"""


class ProgressRecorder:
    """Records persisted bytes. Every method may be repeated after a lost reply."""

    def __init__(self, database: Database, timing: Timing, limits: Limits) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits

    async def record(self, handle: Handle, request: RecordProgressRequest) -> RecordProgressResponse:
        """Record the new prefix with its parts and segments; also renews the session.

        Raises UploadSuperseded (no longer the writer), SizeMismatch (past the length, or going back),
        QuotaExceeded.
        """
        response = await self._at_once(handle, request) or await self._step_by_step(handle, request)
        await failpoints.hit(AFTER_RECORD)
        return response

    async def _at_once(self, handle: Handle, request: RecordProgressRequest) -> RecordProgressResponse | None:
        """Record in one round trip, COMMIT included. None: nothing was changed, and the caller finds
        out why.
        """
        if request.content_type or request.HasField("size_bytes"):
            return None
        values = {
            **_values(handle, request),
            "session": self._timing.session,
            "unlimited": self._limits.unlimited,
            "continues": request.HasField("continuation"),
        }
        part = Part(handle.owner_id, [(_AT_ONCE, values)], silent=True)
        try:
            ((found,),) = await self._database.together([part], lambda: failpoints.hit(BEFORE_RECORD))
        except NothingCommitted:
            return None
        if not found:
            return None
        expires_at, told = found[0]
        if told:
            self._database.tell(handle.owner_id)
        return RecordProgressResponse(persisted_size=request.persisted_size, expire_time=to_proto(expires_at))

    async def _step_by_step(self, handle: Handle, request: RecordProgressRequest) -> RecordProgressResponse:
        async def work(tx: Transaction) -> RecordProgressResponse:
            named = {"owner": handle.owner_id, "blob_id": handle.blob_id}
            locked, found = await tx.fetch_batch([(_LOCK, handle.params()), (rows.BY_BLOB, named)])
            if not found:
                raise rows.not_found() if locked else transitions.superseded()
            row = rows.SessionRow.of(found[0])
            if request.HasField("continuation"):
                row.living_blob()
            if locked:
                response = await self._write(tx, handle, row, request)
            else:
                response = await self._write_anew(tx, handle, request)
            await failpoints.hit(BEFORE_RECORD)
            return response

        return await self._database.transact(user(handle.owner_id), work)

    async def _write_anew(
        self, tx: Transaction, handle: Handle, request: RecordProgressRequest
    ) -> RecordProgressResponse:
        """Record a continuation whose epoch is outdated, if it is still the newest writer, at a new epoch.

        Raises UploadSuperseded.
        """
        named = {"owner": handle.owner_id, "blob_id": handle.blob_id}
        _, found = await tx.fetch_batch([(_LOCK_ONE, handle.params()), (rows.BY_BLOB, named)])
        row = rows.SessionRow.of(found[0])
        if row.blob is None or not _goes_on(row, row.blob, request):
            raise transitions.superseded()
        times = {"session": self._timing.session, "lease": self._timing.lease}
        _, taken = await tx.fetch_batch([upkeep.take(handle.params(**times)), (rows.BY_BLOB, named)])
        row = rows.SessionRow.of(taken[0])
        epoch = row.living_blob().epoch
        response = await self._write(tx, Handle(handle.owner_id, handle.blob_id, epoch), row, request)
        response.taken.CopyFrom(row.to_proto())
        return response

    async def declare(self, owner_id: str, upload_id: str, size: int) -> Session:
        """Set the length of a session that had none.

        Raises SizeMismatch (it has another one, or more is persisted), QuotaExceeded, and what reading
        raises.
        """

        async def work(tx: Transaction) -> Session:
            row = await rows.lock(tx, owner_id, upload_id)
            blob = row.living_blob()
            if row.size_bytes is None or row.size_bytes != size:
                _check_length(row, size)
                handle = Handle(owner_id, row.blob_id, blob.epoch)
                same = RecordProgressRequest(
                    persisted_size=row.persisted_size, prefix_crc32c=row.prefix_crc32c, size_bytes=size
                )
                same.segments.extend(row.to_proto().segments)
                await self._write(tx, handle, row, same)
            return await rows.show(tx, await rows.read(tx, owner_id, upload_id))

        session = await self._database.transact(user(owner_id), work)
        await failpoints.hit(AFTER_DECLARE)
        return session

    async def _write(
        self, tx: Transaction, handle: Handle, row: rows.SessionRow, request: RecordProgressRequest
    ) -> RecordProgressResponse:
        if row.blob is None:
            raise rows.lost()
        if request.multipart_upload_id and row.blob.upload_id not in {"", request.multipart_upload_id}:
            raise transitions.superseded()  # somebody has begun the object meanwhile
        size = row.size_bytes
        if request.HasField("size_bytes") and request.size_bytes != size:
            _check_length(row, request.size_bytes)
            size = request.size_bytes
        _check_prefix(row, request.persisted_size, size)
        reserved = max(row.blob.reserved_bytes, request.persisted_size, size or 0)
        values = {
            **_values(handle, request),
            "spec": _spec(row.blob, request, size),
            "size": size,
            "reserved": reserved,
            "session": self._timing.session,
            "content_type": request.content_type or row.blob.content_type,
        }
        statements: list[Statement] = [(_WRITE_SESSION, values), upkeep.record_progress(values)]
        if request.parts:
            statements.append((_WRITE_PARTS, values))
        if request.persisted_size > row.persisted_size:
            told = {"upload_id": row.upload_id, "persisted_size": request.persisted_size, "size_bytes": size}
            statements.append((_TELL, {**values, "payload": Jsonb(told)}))
        statements.append(quota.read_limits(handle.owner_id))
        results = await tx.fetch_batch(statements)
        if reserved > row.blob.reserved_bytes:
            allowed = quota.limits(results[-1], self._limits)
            await quota.ensure_room(tx, handle.owner_id, allowed, handle.blob_id)
        return RecordProgressResponse(
            persisted_size=request.persisted_size, expire_time=to_proto(results[0][0][0])
        )


def _goes_on(row: rows.SessionRow, blob: BlobRow, request: RecordProgressRequest) -> bool:
    """Whether the newer epoch was never used, and nobody was told of the prefix since this write began.

    Everything that raises the epoch also postpones the session's expiry, so the expiry shows by the
    database's clock when that happened. The write began a known time after its previous answer, which came
    after that moment.
    """
    earlier = request.continuation
    began = from_proto(earlier.expire_time) + timedelta(microseconds=earlier.idle_microseconds)
    return (
        request.HasField("continuation")
        and blob.state == PENDING
        and row.expires_at < began
        and row.persisted_size == earlier.persisted_size
        and row.prefix_crc32c == earlier.prefix_crc32c
        and blob.upload_id == earlier.multipart_upload_id
    )


def _values(handle: Handle, request: RecordProgressRequest) -> dict[str, object]:
    return handle.params(
        multipart=request.multipart_upload_id or None,
        persisted=request.persisted_size,
        crc32c=request.prefix_crc32c,
        segments=rows.pack_segments(list(request.segments)),
        numbers=[Int8(part.number) for part in request.parts],
        etags=[part.etag for part in request.parts],
        sizes=[Int8(part.size_bytes) for part in request.parts],
        crcs=[Int8(part.crc32c) for part in request.parts],
        traceparent=origin(),
    )


def _spec(blob: BlobRow, request: RecordProgressRequest, size: int | None) -> bytes:
    """The stored spec, with what has been learned since."""
    if not request.content_type and not request.HasField("size_bytes"):
        return blob.spec
    spec: UploadSpec = blob.upload_spec()
    if request.content_type:
        spec.content_type = request.content_type
    if size is not None:
        spec.size_bytes = size
    return spec.SerializeToString()


def _check_length(row: rows.SessionRow, size: int) -> None:
    if row.size_bytes is not None or size < row.persisted_size:
        known = row.size_bytes if row.size_bytes is not None else row.persisted_size
        what = "has the length" if row.size_bytes is not None else "already has"
        raise SizeMismatch(
            f"This upload {what} {known} bytes; {size} doesn't fit.",
            metadata={"expected": str(known), "actual": str(size)},
        )


def _check_prefix(row: rows.SessionRow, persisted: int, size: int | None) -> None:
    """Check that the prefix neither goes back nor exceeds the length."""
    if persisted < row.persisted_size or (size is not None and persisted > size):
        raise SizeMismatch(
            f"{row.persisted_size} bytes are persisted; {persisted} can't be next.",
            metadata={
                "expected": str(row.persisted_size if size is None else size),
                "actual": str(persisted),
            },
        )
