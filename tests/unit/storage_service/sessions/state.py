"""The session part of metadata_service in memory, with the same refusals."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.metadata.sessions import SessionState
from strongroom.errors import SizeMismatch, UploadLost, UploadNotFound, UploadSuperseded
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import (
    BeginCompletionRequest,
    BlobHandle,
    CommitRequest,
    CommitResponse,
    DeleteFileRequest,
    DeleteFileResponse,
    ReserveRequest,
    ReserveResponse,
)
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_PARTIAL,
    OpenSessionRequest,
    RecordProgressRequest,
    RecordProgressResponse,
    Session,
)


class MemoryState(SessionState, Reservations):
    """The sessions of one owner."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.history: list[int] = []
        self.lost: set[str] = set()
        self.acquired = 0

    async def open(self, request: OpenSessionRequest) -> Session:
        session = Session(upload_id=uuid.uuid4().hex, kind=request.kind, annotation=request.annotation)
        blob = session.blob
        blob.id, blob.owner_id, blob.epoch = str(uuid.uuid4()), "ada", 1
        blob.state, blob.kind = blob_pb2.BLOB_STATE_PENDING, request.blob_kind
        blob.key, blob.part_size_bytes = f"uploads/ada/{blob.id}.bin", request.part_size_bytes
        blob.content_type = request.spec.content_type or "application/octet-stream"
        blob.spec.CopyFrom(request.spec)
        blob.object_metadata["strongroom-attempt"] = blob.id
        if request.spec.HasField("size_bytes"):
            session.size_bytes = request.spec.size_bytes
        _touch(session)
        self.sessions[session.upload_id] = session
        return _copy(session)

    async def get(self, upload_id: str) -> Session:
        await asyncio.sleep(0)
        if upload_id in self.lost:
            raise UploadLost("lost")
        if upload_id not in self.sessions:
            raise UploadNotFound("not found")
        session = _copy(self.sessions[upload_id])
        if session.blob.state == blob_pb2.BLOB_STATE_PENDING:
            del session.blob.parts[:]
        return session

    async def acquire(self, upload_id: str) -> Session:
        await self.get(upload_id)
        session = self.sessions[upload_id]
        self.acquired += 1
        if not session.finished:
            session.blob.epoch += 1
            _touch(session)
        return _copy(session)

    async def declare(self, upload_id: str, size: int) -> Session:
        await self.get(upload_id)
        session = self.sessions[upload_id]
        if size < session.persisted_size or (session.HasField("size_bytes") and session.size_bytes != size):
            raise SizeMismatch("another length")
        session.size_bytes = session.blob.spec.size_bytes = size
        return _copy(session)

    async def cancel(self, upload_id: str) -> None:
        await self.get(upload_id)
        del self.sessions[upload_id]

    async def record(self, request: RecordProgressRequest) -> RecordProgressResponse:
        await asyncio.sleep(0)
        session, taken = self._held_or_taken(request)
        if session.blob.state != blob_pb2.BLOB_STATE_PENDING:
            raise UploadSuperseded("not pending")
        if request.persisted_size < session.persisted_size:
            raise SizeMismatch("the offset may not go back")
        numbers = [part.number for part in (*session.blob.parts, *request.parts)]
        assert numbers == list(range(1, len(numbers) + 1)), "only the contiguous prefix is recorded"
        session.blob.parts.extend(request.parts)
        del session.segments[:]
        session.segments.extend(request.segments)
        session.persisted_size, session.prefix_crc32c = request.persisted_size, request.prefix_crc32c
        session.blob.upload_id = session.blob.upload_id or request.multipart_upload_id
        session.blob.content_type = request.content_type or session.blob.content_type
        if request.HasField("size_bytes"):
            session.size_bytes = request.size_bytes
        self.history.append(session.persisted_size)
        _touch(session)
        response = RecordProgressResponse(
            persisted_size=session.persisted_size, expire_time=session.expire_time
        )
        if taken:
            response.taken.CopyFrom(session)
        return response

    async def lose(self, blob: BlobHandle) -> None:
        self.lost.add(self._held(blob).upload_id)

    async def begin_completion(self, request: BeginCompletionRequest) -> None:
        blob = self._held(request.blob).blob
        blob.state, blob.size_bytes, blob.crc32c = (
            blob_pb2.BLOB_STATE_COMPLETING,
            request.size_bytes,
            request.crc32c,
        )

    async def commit(self, request: CommitRequest) -> CommitResponse:
        session = self._held(request.blob)
        blob = session.blob
        blob.state, blob.etag, blob.version_id = (
            blob_pb2.BLOB_STATE_COMMITTED,
            request.etag,
            request.version_id,
        )
        session.finished = True
        session.persisted_size = session.size_bytes = request.size_bytes
        session.prefix_crc32c = request.crc32c
        if session.kind == SESSION_KIND_PARTIAL:
            return CommitResponse()
        session.file.CopyFrom(
            File(id=blob.id, owner_id="ada", key=blob.key, size_bytes=request.size_bytes, generation=1)
        )
        session.file.crc32c, session.file.version_id = request.crc32c, request.version_id
        return CommitResponse(file=session.file)

    async def renew_lease(self, blob: BlobHandle) -> float:
        self._held(blob)
        return 60.0

    async def abandon(self, blob: BlobHandle) -> None:
        raise AssertionError("a session is never given up by its writer")

    async def reserve(self, request: ReserveRequest) -> ReserveResponse:
        raise AssertionError("sessions are opened, not reserved")

    async def record_multipart(self, blob: BlobHandle, upload_id: str) -> None:
        raise AssertionError("it would shorten the session's lease")

    async def delete_file(self, request: DeleteFileRequest) -> DeleteFileResponse:
        found = next(key for key, session in self.sessions.items() if session.file.id == request.file_id)
        return DeleteFileResponse(file=self.sessions.pop(found).file)

    def _held_or_taken(self, request: RecordProgressRequest) -> tuple[Session, bool]:
        """Return the session and whether it was taken over.

        It is taken over if the writer of the continuation began after another process had raised the epoch,
        and that process has written nothing.
        """
        earlier = request.continuation
        found = next(one for one in self.sessions.values() if one.blob.id == request.blob.blob_id)
        idle = timedelta(microseconds=earlier.idle_microseconds)
        if (
            found.blob.epoch == request.blob.epoch
            or not request.HasField("continuation")
            or found.persisted_size != earlier.persisted_size
            or found.expire_time.ToDatetime() >= earlier.expire_time.ToDatetime() + idle
        ):
            return self._held(request.blob), False
        found.blob.epoch += 1
        return found, True

    def _held(self, blob: BlobHandle) -> Session:
        for session in self.sessions.values():
            if session.blob.id == blob.blob_id and handle_of(session.blob).epoch == blob.epoch:
                return session
        raise UploadSuperseded("another writer")


def _touch(session: Session) -> None:
    session.expire_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))


def _copy(session: Session) -> Session:
    made = Session()
    made.CopyFrom(session)
    return made
