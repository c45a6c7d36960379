"""UploadSessionService: the state of upload sessions."""

from __future__ import annotations

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import upload_session_service_pb2 as pb
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle
from strongroom.metadata.v1.upload_session_service_pb2_grpc import UploadSessionServiceStub


class SessionState(MetadataClient):
    """Reads and changes sessions.

    Methods with an upload_id act for the caller and raise UploadNotFound, UploadExpired, UploadLost. Methods
    with an attempt act for its owner and raise UploadSuperseded.
    """

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._sessions = UploadSessionServiceStub(channel)

    async def open(self, request: pb.OpenSessionRequest) -> pb.Session:
        """Return a new session, or that of an earlier request with the same request_id.

        Raises as Reservations.reserve.
        """
        return (await self._ask(self._sessions.OpenSession, request)).session

    async def get(self, upload_id: str) -> pb.Session:
        """Return a session without its parts."""
        request = pb.GetSessionRequest(upload_id=upload_id)
        return (await self._ask(self._sessions.GetSession, request)).session

    async def acquire(self, upload_id: str) -> pb.Session:
        """Return a session with its parts, at a new epoch; a finished one unchanged."""
        request = pb.AcquireWriterRequest(upload_id=upload_id)
        return (await self._ask(self._sessions.AcquireWriter, request)).session

    async def declare(self, upload_id: str, size: int) -> pb.Session:
        """Set a session's length in bytes. Raises SizeMismatch, QuotaExceeded."""
        request = pb.DeclareLengthRequest(upload_id=upload_id, size_bytes=size)
        return (await self._ask(self._sessions.DeclareLength, request)).session

    async def cancel(self, upload_id: str) -> None:
        """End a session for its owner."""
        await self._ask(self._sessions.EndSession, pb.EndSessionRequest(upload_id=upload_id))

    async def record(self, request: pb.RecordProgressRequest) -> pb.RecordProgressResponse:
        """Commit progress. Raises QuotaExceeded, SizeMismatch."""
        return await self._step(self._sessions.RecordProgress, request)

    async def lose(self, blob: BlobHandle) -> None:
        """Mark a session as lost, so that later queries say so."""
        await self._step(self._sessions.EndSession, pb.EndSessionRequest(blob=blob, lost=True))
