"""Rows of `upload_sessions`, and the state of an upload.

Most of the state follows from the blob:

    PENDING                      open
    COMPLETING                   being completed; a partial upload that has `finished_at`: finished
    COMMITTED                    finished, with a file
    DELETING, GONE after that    its file has new content: finished, with the file as it was, for a repeat
                                 of the last request; for others only while an answer may be in flight
                                 (REPLACED_SECONDS). Its file was deleted: UPLOAD_NOT_FOUND
    ABORTING, GONE, purged       cancelled: UPLOAD_NOT_FOUND; past its time: UPLOAD_EXPIRED; else UPLOAD_LOST
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from metadata_service.blobs.rows import COLUMNS as BLOB_COLUMNS
from metadata_service.blobs.rows import BlobRow
from metadata_service.blobs.states import ABORTING, COMMITTED, DELETING, GONE, PENDING
from metadata_service.db.database import Row, Transaction
from metadata_service.db.timestamps import to_proto
from metadata_service.files.creation import committed_file
from strongroom.errors import UploadExpired, UploadLost, UploadNotFound
from strongroom.metadata.v1.blob_pb2 import Part
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_PARTIAL,
    Segment,
    Session,
    SessionKind,
)

CANCELLED: Final = 1
LOST: Final = 2
REPLACED_SECONDS: Final = 30.0
"""A tus client that has lost the answer to its last bytes asks within seconds; with another answer it would
send all bytes again over newer content. A client that is given the same file later asks the same question,
and should send it (decision 0110).
"""

_COLUMNS: Final = """
session.owner_id, session.upload_id, session.blob_id, session.kind, session.ended, session.fingerprint,
session.size_bytes, session.persisted_size, session.prefix_crc32c, session.segments, session.annotation,
session.expires_at, session.created_at, session.finished_at, session.expires_at <= now()
"""
_WIDTH: Final = 15
_FROM: Final = f"""
SELECT {_COLUMNS}, {BLOB_COLUMNS} FROM upload_sessions AS session
LEFT JOIN blobs ON blobs.owner_id = session.owner_id AND blobs.id = session.blob_id
WHERE session.owner_id = %(owner)s
"""
BY_NAME: Final = _FROM + " AND session.upload_id = %(upload_id)s"
BY_REQUEST: Final = (
    _FROM + " AND session.request_id = %(request_id)s ORDER BY session.created_at DESC LIMIT 1"
)
BY_BLOB: Final = _FROM + " AND session.blob_id = %(blob_id)s"
#: Seconds since a file that still exists got content other than the session's.
_REPLACED: Final = f"""
SELECT CASE WHEN blobs.state = {DELETING}
    THEN extract(epoch FROM now() - blobs.state_changed_at)::float8 ELSE 'infinity' END FROM blobs
JOIN files ON files.owner_id = blobs.owner_id AND files.id = blobs.file_id
WHERE blobs.owner_id = %(owner)s AND blobs.id = %(blob_id)s AND blobs.state IN ({DELETING}, {GONE})
    AND files.deleted_at IS NULL
"""
_PARTS: Final = """
SELECT number, etag, size_bytes, crc32c FROM session_parts
WHERE owner_id = %(owner)s AND blob_id = %(blob_id)s ORDER BY number
"""
# Transactions that change both lock the blob first, as T4 does.
LOCK_BLOB: Final = """
SELECT 1 FROM blobs
JOIN upload_sessions AS session ON session.owner_id = blobs.owner_id AND session.blob_id = blobs.id
WHERE session.owner_id = %(owner)s AND session.upload_id = %(upload_id)s FOR UPDATE OF blobs
"""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session and its blob (None: purged), read by one query; `expired` by the database's clock."""

    owner_id: str
    upload_id: str
    blob_id: UUID
    kind: int
    ended: int
    fingerprint: bytes
    size_bytes: int | None
    persisted_size: int
    prefix_crc32c: int
    segments: bytes
    annotation: bytes
    expires_at: datetime
    created_at: datetime
    finished_at: datetime | None
    expired: bool
    blob: BlobRow | None

    @classmethod
    def of(cls, row: Row) -> SessionRow:
        """From a row of BY_NAME, BY_REQUEST or BY_BLOB."""
        blob = BlobRow(*row[_WIDTH:]) if row[_WIDTH] is not None else None
        return cls(*(*row[:_WIDTH], blob))

    @property
    def is_finished_partial(self) -> bool:
        """Whether it is a partial upload waiting to be concatenated."""
        return self.kind == SESSION_KIND_PARTIAL and self.finished_at is not None

    @property
    def was_committed(self) -> bool:
        """Whether it became a file, which may have other content by now."""
        blob = self.blob
        return blob is not None and blob.file_id is not None and self.ended == 0

    def living_blob(self) -> BlobRow:
        """The blob of an upload that is open, being completed, or finished.

        Raises UploadNotFound, UploadExpired, UploadLost.
        """
        if self.ended == CANCELLED:
            raise not_found()
        if self.ended == LOST:
            raise lost()
        blob = self.blob
        over = blob is None or blob.state in {ABORTING, GONE, DELETING}
        if (
            over
            and self.kind != SESSION_KIND_PARTIAL
            and (self.finished_at is not None or (blob and blob.file_id))
        ):
            raise not_found()  # its file was deleted
        idle = blob is not None and (blob.state == PENDING or self.is_finished_partial)
        if self.expired and (over or idle):
            raise UploadExpired("This upload was idle for too long and was removed; start it again.")
        if over or blob is None:
            raise lost()
        return blob

    def to_proto(self, parts: list[Part] | None = None, file: File | None = None) -> Session:
        """The session for storage_service, with `parts` of the prefix, and `file` once committed."""
        session = Session(
            upload_id=self.upload_id,
            kind=SessionKind.ValueType(self.kind),
            persisted_size=self.persisted_size if file is None else file.size_bytes,
            prefix_crc32c=self.prefix_crc32c if file is None else file.crc32c,
            size_bytes=self.size_bytes if file is None else file.size_bytes,
            file=file,
            expire_time=to_proto(self.expires_at),
            create_time=to_proto(self.created_at),
            finished=file is not None or self.is_finished_partial,
            annotation=self.annotation,
        )
        session.MergeFromString(self.segments)
        if self.blob is not None:
            session.blob.CopyFrom(self.blob.to_proto())
            if parts:
                del session.blob.parts[:]
                session.blob.parts.extend(parts)
        return session


def pack_segments(segments: list[Segment]) -> bytes:
    """Encode for the column `segments`: a Session with only segments, so that reading is one merge."""
    return Session(segments=segments).SerializeToString()


def unpack_segments(packed: bytes) -> list[Segment]:
    """The inverse of `pack_segments`."""
    return list(Session.FromString(packed).segments)


async def read(tx: Transaction, owner_id: str, upload_id: str) -> SessionRow:
    """The session in any state. Raises UploadNotFound."""
    row = await tx.fetch_one(BY_NAME, {"owner": owner_id, "upload_id": upload_id})
    if row is None:
        raise not_found()
    return SessionRow.of(row)


async def lock(tx: Transaction, owner_id: str, upload_id: str) -> SessionRow:
    """Lock the blob and read the session as of then. Raises UploadNotFound."""
    named = {"owner": owner_id, "upload_id": upload_id}
    _, found = await tx.fetch_batch([(LOCK_BLOB, named), (BY_NAME, named)])
    if not found:
        raise not_found()
    return SessionRow.of(found[0])


async def show(
    tx: Transaction, row: SessionRow, *, with_parts: bool = False, replaced_for: float = 0.0
) -> Session:
    """The session with its file or its parts. Raises as `living_blob`.

    :param replaced_for: show it also if its file got other content at most this many seconds ago.
    """
    if row.blob is not None and await _replaced(tx, row, replaced_for):
        return row.to_proto(file=await committed_file(tx, row.blob))
    blob = row.living_blob()
    if blob.state == COMMITTED:
        return row.to_proto(file=await committed_file(tx, blob))
    parts: list[Part] = []
    if with_parts and blob.state == PENDING:
        found = await tx.fetch(_PARTS, {"owner": row.owner_id, "blob_id": row.blob_id})
        parts = [Part(number=n, etag=etag, size_bytes=size, crc32c=crc) for n, etag, size, crc in found]
    return row.to_proto(parts)


async def _replaced(tx: Transaction, row: SessionRow, within: float) -> bool:
    if not within or not row.was_committed or (row.blob and row.blob.state == COMMITTED):
        return False
    ago = await tx.fetch_one(_REPLACED, {"owner": row.owner_id, "blob_id": row.blob_id})
    return ago is not None and ago[0] <= within


def not_found() -> UploadNotFound:
    """The error for a session that the caller does not have; it does not reveal whether somebody else has."""
    return UploadNotFound("There is no such upload, or it is not yours, or it was cancelled.")


def lost() -> UploadLost:
    """The error for an upload that can never be finished."""
    return UploadLost(
        "This upload can't be finished any more (its parts are gone or were refused); start it again."
    )
