"""The RPCs of resumable and direct uploads, for StorageServicer: converts, and nothing else."""

from __future__ import annotations

import grpc

from storage_service.sessions.assembly import SessionUseCases
from strongroom.storage.v1 import direct_pb2, storage_service_pb2_grpc, upload_pb2

Context = grpc.aio.ServicerContext


class SessionMethods(storage_service_pb2_grpc.StorageServiceServicer):
    """Whoever inherits sets ``_sessions``."""

    _sessions: SessionUseCases

    async def CreateUpload(
        self,
        request: upload_pb2.CreateUploadRequest,
        context: Context[upload_pb2.CreateUploadRequest, upload_pb2.CreateUploadResponse],
    ) -> upload_pb2.CreateUploadResponse:
        return upload_pb2.CreateUploadResponse(session=await self._sessions.sessions.create(request))

    async def GetUpload(
        self,
        request: upload_pb2.GetUploadRequest,
        context: Context[upload_pb2.GetUploadRequest, upload_pb2.GetUploadResponse],
    ) -> upload_pb2.GetUploadResponse:
        session = await self._sessions.sessions.get(request.upload_id, preempt=request.preempt)
        return upload_pb2.GetUploadResponse(session=session)

    async def DeclareUploadLength(
        self,
        request: upload_pb2.DeclareUploadLengthRequest,
        context: Context[upload_pb2.DeclareUploadLengthRequest, upload_pb2.DeclareUploadLengthResponse],
    ) -> upload_pb2.DeclareUploadLengthResponse:
        session = await self._sessions.sessions.declare(request.upload_id, request.size_bytes)
        return upload_pb2.DeclareUploadLengthResponse(session=session)

    async def CancelUpload(
        self,
        request: upload_pb2.CancelUploadRequest,
        context: Context[upload_pb2.CancelUploadRequest, upload_pb2.CancelUploadResponse],
    ) -> upload_pb2.CancelUploadResponse:
        await self._sessions.sessions.cancel(request.upload_id)
        return upload_pb2.CancelUploadResponse()

    async def ConcatenateUploads(
        self,
        request: upload_pb2.ConcatenateUploadsRequest,
        context: Context[upload_pb2.ConcatenateUploadsRequest, upload_pb2.ConcatenateUploadsResponse],
    ) -> upload_pb2.ConcatenateUploadsResponse:
        return await self._sessions.concatenator.concatenate(request)

    async def SignUpload(
        self,
        request: direct_pb2.SignUploadRequest,
        context: Context[direct_pb2.SignUploadRequest, direct_pb2.SignUploadResponse],
    ) -> direct_pb2.SignUploadResponse:
        return await self._sessions.direct.sign(request)

    async def CompleteUpload(
        self,
        request: direct_pb2.CompleteUploadRequest,
        context: Context[direct_pb2.CompleteUploadRequest, direct_pb2.CompleteUploadResponse],
    ) -> direct_pb2.CompleteUploadResponse:
        return direct_pb2.CompleteUploadResponse(file=await self._sessions.direct.complete(request))
