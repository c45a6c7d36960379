"""Commits how far a session has come. Order: S3 has accepted → this commits → storage_service
acknowledges.
"""

from __future__ import annotations

from typing import Final

from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from metadata_service.blobs import transitions, upkeep
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.blobs.states import PENDING
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.db.timestamps import to_proto
from metadata_service.sessions import rows
from metadata_service.usage import quota
from servicekit import failpoints
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

_LOCK: Final = f"SELECT 1 FROM blobs WHERE {transitions.HELD} AND state = {PENDING} FOR UPDATE"
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
INSERT INTO events (owner_id, type, subject_id, payload)
SELECT %(owner)s, {EVENT_TYPE_UPLOAD_PROGRESS}, upload_id, %(payload)s FROM told
"""


class ProgressRecorder:
    """Writes what has been persisted. Every method may be repeated after a lost reply."""

    def __init__(self, database: Database, timing: Timing, limits: Limits) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits

    async def record(self, handle: Handle, request: RecordProgressRequest) -> RecordProgressResponse:
        """The new prefix, with its parts and segments; also renews the session.

        Raises UploadSuperseded (no longer the writer), SizeMismatch (past the length, or going back),
        QuotaExceeded.
        """

        async def work(tx: Transaction) -> RecordProgressResponse:
            named = {"owner": handle.owner_id, "blob_id": handle.blob_id}
            locked, found = await tx.fetch_batch([(_LOCK, handle.params()), (rows.BY_BLOB, named)])
            if not locked:
                raise transitions.superseded()
            if not found:
                raise rows.not_found()
            response = await self._write(tx, handle, rows.SessionRow.of(found[0]), request)
            await failpoints.hit(BEFORE_RECORD)
            return response

        response = await self._database.transact(user(handle.owner_id), work)
        await failpoints.hit(AFTER_RECORD)
        return response

    async def declare(self, owner_id: str, upload_id: str, size: int) -> Session:
        """The length of a session that had none.

        Raises SizeMismatch (it had another one, or more is persisted), QuotaExceeded, and what reading
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
            **_values(handle, request, _spec(row.blob, request, size), size),
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
            await quota.ensure_room(tx, handle.owner_id, quota.limits(results[-1], self._limits))
        return RecordProgressResponse(
            persisted_size=request.persisted_size, expire_time=to_proto(results[0][0][0])
        )


def _values(
    handle: Handle, request: RecordProgressRequest, spec: bytes, size: int | None
) -> dict[str, object]:
    return handle.params(
        multipart=request.multipart_upload_id or None,
        spec=spec,
        persisted=request.persisted_size,
        crc32c=request.prefix_crc32c,
        segments=rows.pack_segments(list(request.segments)),
        size=size,
        numbers=[Int8(part.number) for part in request.parts],
        etags=[part.etag for part in request.parts],
        sizes=[Int8(part.size_bytes) for part in request.parts],
        crcs=[Int8(part.crc32c) for part in request.parts],
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
    """The prefix never goes back, and never past the length."""
    if persisted < row.persisted_size or (size is not None and persisted > size):
        raise SizeMismatch(
            f"{row.persisted_size} bytes are persisted; {persisted} can't be next.",
            metadata={
                "expected": str(row.persisted_size if size is None else size),
                "actual": str(persisted),
            },
        )
