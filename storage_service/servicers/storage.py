"""StorageService over gRPC: converts, and nothing else. Rules live in the use cases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import grpc

from storage_service.deleting import Deleter
from storage_service.diagnosis import InternalCalls
from storage_service.reading.downloads import Downloader
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.signer import Signer
from storage_service.servicers.projects import ProjectMethods, ProjectUseCases
from storage_service.servicers.sessions import SessionMethods
from storage_service.sessions.assembly import SessionUseCases
from storage_service.uploads.copier import Copier
from storage_service.uploads.importing.importer import BatchImporter, Importer, Progress
from storage_service.uploads.stream import UploadStream
from storage_service.uploads.upload import Uploader
from strongroom.errors import StrongroomError, to_status_proto
from strongroom.storage.v1 import (
    batch_pb2,
    diagnostics_service_pb2,
    diagnostics_service_pb2_grpc,
    direct_pb2,
    download_pb2,
    upload_pb2,
)
from strongroom.wire import DownloadChunk, UploadChunk

Context = grpc.aio.ServicerContext


PROGRESS_SECONDS = 0.5
"""How often an import tells how far it has come."""


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicer hands calls to."""

    uploader: Uploader
    downloader: Downloader
    signer: Signer
    copier: Copier
    deleter: Deleter
    importer: Importer
    batch_importer: BatchImporter
    projects: ProjectUseCases
    outgoing: Outgoing
    sessions: SessionUseCases


class StorageServicer(SessionMethods, ProjectMethods):
    """See strongroom/storage/v1/storage_service.proto for what each call promises."""

    def __init__(self, use_cases: UseCases) -> None:
        super().__init__(use_cases.projects, use_cases.outgoing)
        self._sessions = use_cases.sessions
        self._do = use_cases

    async def Upload(
        self,
        request_iterator: AsyncIterator[upload_pb2.UploadRequest | UploadChunk],
        context: Context[upload_pb2.UploadRequest, upload_pb2.UploadResponse],
    ) -> upload_pb2.UploadResponse:
        stream = UploadStream(request_iterator)
        first = await stream.first()
        if first.WhichOneof("first_message") == "upload_id":
            return await self._sessions.sessions.upload(first, stream.rest)
        stored = await self._do.uploader.upload(stream)
        wants_url = first.sign_url and not stored.replayed
        url = await self._do.signer.url_of_stored(stored.file) if wants_url else ""
        return upload_pb2.UploadResponse(file=stored.file, url=url)

    async def Download(  # type: ignore[override]  # strongroom.wire sends chunks without making messages of them
        self,
        request: download_pb2.DownloadRequest,
        context: Context[download_pb2.DownloadRequest, download_pb2.DownloadResponse],
    ) -> AsyncIterator[download_pb2.DownloadResponse | DownloadChunk]:
        if request.WhichOneof("name") == "project_file":
            async for message in self._download_project_file(request):
                yield message
            return
        async with self._do.downloader.open(request) as opened:
            yield download_pb2.DownloadResponse(
                file=opened.file, read_offset=opened.range.offset, read_size=opened.range.size
            )
            if opened.body is not None:
                async with aclosing(self._do.outgoing.paced(opened.body)) as body:
                    async for chunk in body:
                        yield DownloadChunk(chunk)
                        del chunk

    async def SignUrl(
        self,
        request: download_pb2.SignUrlRequest,
        context: Context[download_pb2.SignUrlRequest, download_pb2.SignUrlResponse],
    ) -> download_pb2.SignUrlResponse:
        return await self._do.signer.sign(request)

    async def BatchSignUrls(
        self,
        request: batch_pb2.BatchSignUrlsRequest,
        context: Context[batch_pb2.BatchSignUrlsRequest, batch_pb2.BatchSignUrlsResponse],
    ) -> batch_pb2.BatchSignUrlsResponse:
        return batch_pb2.BatchSignUrlsResponse(urls=await self._do.signer.sign_many(request))

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

    async def ImportFromUrl(
        self,
        request: direct_pb2.ImportFromUrlRequest,
        context: Context[direct_pb2.ImportFromUrlRequest, direct_pb2.ImportFromUrlResponse],
    ) -> AsyncIterator[direct_pb2.ImportFromUrlResponse]:
        progress = Progress()
        with self._do.importer.queue.places([request.spec]):
            running = asyncio.create_task(self._do.importer.run(request.url, request.spec, progress))
            try:
                while not (await asyncio.wait({running}, timeout=PROGRESS_SECONDS))[0]:
                    yield direct_pb2.ImportFromUrlResponse(
                        progress=direct_pb2.ImportProgress(
                            received_bytes=progress.received,
                            total_bytes=progress.total,
                            attempt=progress.attempt,
                        )
                    )
                yield direct_pb2.ImportFromUrlResponse(file=await running)
            finally:
                running.cancel()

    async def BatchImport(
        self,
        request: batch_pb2.BatchImportRequest,
        context: Context[batch_pb2.BatchImportRequest, batch_pb2.BatchImportResponse],
    ) -> batch_pb2.BatchImportResponse:
        with self._do.importer.queue.places([item.spec for item in request.items]):
            results = await self._do.batch_importer.run([(item.url, item.spec) for item in request.items])
        return batch_pb2.BatchImportResponse(
            results=[
                batch_pb2.BatchImportResult(error=to_status_proto(result))
                if isinstance(result, StrongroomError)
                else batch_pb2.BatchImportResult(file=result)
                for result in results
            ]
        )


class DiagnosticsServicer(diagnostics_service_pb2_grpc.DiagnosticsServiceServicer):
    """See strongroom/storage/v1/diagnostics_service.proto."""

    def __init__(self, calls: InternalCalls) -> None:
        self._calls = calls

    async def Diagnose(
        self,
        request: diagnostics_service_pb2.DiagnoseRequest,
        context: Context[diagnostics_service_pb2.DiagnoseRequest, diagnostics_service_pb2.DiagnoseResponse],
    ) -> diagnostics_service_pb2.DiagnoseResponse:
        return await self._calls.diagnose()
