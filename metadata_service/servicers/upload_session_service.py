"""metadata.v1.UploadSessionService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.blobs.rows import Handle
from metadata_service.sessions.ending import SessionEnder
from metadata_service.sessions.opening import SessionOpener
from metadata_service.sessions.progress import ProgressRecorder
from metadata_service.sessions.reading import SessionReader
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.metadata.v1 import upload_session_service_pb2 as pb
from strongroom.metadata.v1.upload_session_service_pb2_grpc import UploadSessionServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class UploadSessionServicer(UploadSessionServiceServicer):
    """Converts requests and responses. Requests with an upload_id act for the token's user, those with a blob
    for its owner.
    """

    def __init__(
        self, *, opener: SessionOpener, reader: SessionReader, recorder: ProgressRecorder, ender: SessionEnder
    ) -> None:
        self._opener = opener
        self._reader = reader
        self._recorder = recorder
        self._ender = ender

    async def OpenSession(self, request: pb.OpenSessionRequest, context: Context) -> pb.OpenSessionResponse:
        owner = effective_owner(current_principal(), request.spec.user_id)
        return pb.OpenSessionResponse(
            session=await self._opener.open(owner, request, asking=current_principal().subject)
        )

    async def GetSession(self, request: pb.GetSessionRequest, context: Context) -> pb.GetSessionResponse:
        owner = await self._owner(request.upload_id)
        return pb.GetSessionResponse(session=await self._reader.get(owner, request.upload_id))

    async def AcquireWriter(
        self, request: pb.AcquireWriterRequest, context: Context
    ) -> pb.AcquireWriterResponse:
        owner = await self._owner(request.upload_id)
        return pb.AcquireWriterResponse(session=await self._reader.acquire(owner, request.upload_id))

    async def RecordProgress(
        self, request: pb.RecordProgressRequest, context: Context
    ) -> pb.RecordProgressResponse:
        return await self._recorder.record(Handle.of(request.blob), request)

    async def DeclareLength(
        self, request: pb.DeclareLengthRequest, context: Context
    ) -> pb.DeclareLengthResponse:
        owner = await self._owner(request.upload_id)
        return pb.DeclareLengthResponse(
            session=await self._recorder.declare(owner, request.upload_id, request.size_bytes)
        )

    async def EndSession(self, request: pb.EndSessionRequest, context: Context) -> pb.EndSessionResponse:
        if request.HasField("blob"):
            await self._ender.lose(Handle.of(request.blob))
        else:
            await self._ender.cancel(await self._owner(request.upload_id), request.upload_id)
        return pb.EndSessionResponse()

    async def _owner(self, upload_id: str) -> str:
        return await self._reader.owner_of(current_principal(), upload_id)
