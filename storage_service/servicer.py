"""StorageService over gRPC: converts, and nothing else. Rules live in the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc

from storage_service.copying import Copier
from storage_service.deleting import Deleter
from storage_service.downloads import Downloader
from storage_service.intake import UploadStream
from storage_service.signing import Signer
from storage_service.uploads import Uploader
from strongroom.errors import Unimplemented
from strongroom.storage.v1 import batch_pb2, download_pb2, storage_service_pb2_grpc, upload_pb2
from strongroom.wire import DownloadChunk, UploadChunk

Context = grpc.aio.ServicerContext


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicer hands calls to."""

    uploader: Uploader
    downloader: Downloader
    signer: Signer
    copier: Copier
    deleter: Deleter


class StorageServicer(storage_service_pb2_grpc.StorageServiceServicer):
    """See strongroom/storage/v1/storage_service.proto for what each call promises."""

    def __init__(self, use_cases: UseCases) -> None:
        self._do = use_cases

    async def Upload(
        self,
        request_iterator: AsyncIterator[upload_pb2.UploadRequest | UploadChunk],
        context: Context[upload_pb2.UploadRequest, upload_pb2.UploadResponse],
    ) -> upload_pb2.UploadResponse:
        stream = UploadStream(request_iterator)
        first = await stream.first()
        if first.WhichOneof("first_message") == "upload_id":
            raise Unimplemented(
                "resumable uploads come in a later release; send spec instead of upload_id",
                metadata={"feature": "resumable uploads"},
            )
        return upload_pb2.UploadResponse(file=await self._do.uploader.upload(first.spec, stream))

    async def Download(  # type: ignore[override]  # strongroom.wire sends chunks without making messages of them
        self,
        request: download_pb2.DownloadRequest,
        context: Context[download_pb2.DownloadRequest, download_pb2.DownloadResponse],
    ) -> AsyncIterator[download_pb2.DownloadResponse | DownloadChunk]:
        async with self._do.downloader.open(request) as opened:
            yield download_pb2.DownloadResponse(
                file=opened.file, read_offset=opened.range.offset, read_size=opened.range.size
            )
            if opened.body is not None:
                async for chunk in opened.body:
                    yield DownloadChunk(chunk)

    async def SignUrl(
        self,
        request: download_pb2.SignUrlRequest,
        context: Context[download_pb2.SignUrlRequest, download_pb2.SignUrlResponse],
    ) -> download_pb2.SignUrlResponse:
        return await self._do.signer.sign(request)

    async def CopyFile(
        self,
        request: batch_pb2.CopyFileRequest,
        context: Context[batch_pb2.CopyFileRequest, batch_pb2.CopyFileResponse],
    ) -> batch_pb2.CopyFileResponse:
        return batch_pb2.CopyFileResponse(file=await self._do.copier.copy(request))

    async def DeleteFile(
        self,
        request: batch_pb2.DeleteFileRequest,
        context: Context[batch_pb2.DeleteFileRequest, batch_pb2.DeleteFileResponse],
    ) -> batch_pb2.DeleteFileResponse:
        return batch_pb2.DeleteFileResponse(file=await self._do.deleter.delete(request))

    async def BatchDelete(
        self,
        request: batch_pb2.BatchDeleteRequest,
        context: Context[batch_pb2.BatchDeleteRequest, batch_pb2.BatchDeleteResponse],
    ) -> batch_pb2.BatchDeleteResponse:
        return batch_pb2.BatchDeleteResponse(results=await self._do.deleter.delete_many(request))
