"""StorageService over gRPC. It only converts; the rules are in the use cases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from storage_service.attempts.failures import of_piece, of_upload
from storage_service.servicers.transfers import ARCHIVE, EXPORT, Transfers, by_gateway, read_way
from storage_service.servicers.use_cases import UseCases
from storage_service.uploads.importing.importer import Progress
from storage_service.uploads.stream import UploadStream
from strongroom import wire
from strongroom.errors import StrongroomError, to_status_proto
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.project_save_service_pb2 import RemoveProjectRequest
from strongroom.storage.v1 import (
    batch_pb2,
    direct_pb2,
    download_pb2,
    link_pb2,
    preview_pb2,
    project_pb2,
    storage_service_pb2_grpc,
    upload_pb2,
)
from strongroom.storage.v1.download_pb2 import DownloadRequest
from strongroom.storage.v1.storage_service_pb2 import DESCRIPTOR
from strongroom.storage.v1.upload_pb2 import UploadResponse
from strongroom.wire import DownloadChunk, UploadChunk

Context = grpc.aio.ServicerContext


PROGRESS_SECONDS = 0.5
"""How often an import reports its progress."""


class StorageServicer(storage_service_pb2_grpc.StorageServiceServicer):
    """See strongroom/storage/v1/storage_service.proto for what each call promises."""

    def __init__(self, use_cases: UseCases, transfers: Transfers | None = None) -> None:
        self._do = use_cases
        self._transfers = transfers or Transfers()
        self._sessions = use_cases.sessions

    async def Upload(
        self,
        request_iterator: AsyncIterator[upload_pb2.UploadRequest | UploadChunk],
        context: Context[upload_pb2.UploadRequest, upload_pb2.UploadResponse],
    ) -> upload_pb2.UploadResponse:
        stream = UploadStream(request_iterator)
        first = await stream.first()
        if first.WhichOneof("first_message") == "upload_id":
            async with self._do.failures.telling(of_piece, first.upload_id):
                answer = await self._sessions.sessions.upload(first, stream.rest)
            if answer.HasField("file"):
                self._transfers.stored(answer.file, by_gateway("tus"))
            return answer
        async with self._do.failures.telling(of_upload, stream.spec):
            stored = await self._do.uploader.upload(stream)
        if not stored.replayed:
            self._transfers.stored(stored.file, by_gateway("form"))
        wants_url = first.sign_url and not stored.replayed
        url = await self._do.links.url_of_stored(stored.file) if wants_url else ""
        return upload_pb2.UploadResponse(file=stored.file, url=url)

    async def Download(  # type: ignore[override]  # strongroom.wire sends chunks without making messages of them
        self,
        request: download_pb2.DownloadRequest,
        context: Context[download_pb2.DownloadRequest, download_pb2.DownloadResponse],
    ) -> AsyncIterator[download_pb2.DownloadResponse | DownloadChunk]:
        async with self._do.downloader.open(request) as opened:
            head = download_pb2.DownloadResponse(read_offset=opened.range.offset, read_size=opened.range.size)
            if isinstance(opened.file, ProjectFile):
                head.project_file.CopyFrom(opened.file)
            else:
                head.file.CopyFrom(opened.file)
            yield head
            sent = self._transfers.begun(opened.file, read_way())
            if opened.body is not None:
                async with aclosing(self._do.outgoing.paced(opened.body)) as body:
                    async for chunk in body:
                        sent.inc(len(chunk))
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

    async def SignLinks(
        self,
        request: link_pb2.SignLinksRequest,
        context: Context[link_pb2.SignLinksRequest, link_pb2.SignLinksResponse],
    ) -> link_pb2.SignLinksResponse:
        stamp = self._do.links.stamp()
        return link_pb2.SignLinksResponse(links=await self._do.links.sign(request), stamp=stamp)

    async def GetUrlStamps(
        self,
        request: link_pb2.GetUrlStampsRequest,
        context: Context[link_pb2.GetUrlStampsRequest, link_pb2.GetUrlStampsResponse],
    ) -> link_pb2.GetUrlStampsResponse:
        return link_pb2.GetUrlStampsResponse(links=self._do.links.stamp(), previews=self._do.previews.stamp())

    async def CopyFile(
        self,
        request: batch_pb2.CopyFileRequest,
        context: Context[batch_pb2.CopyFileRequest, batch_pb2.CopyFileResponse],
    ) -> batch_pb2.CopyFileResponse:
        async with self._do.failures.telling(of_upload, request.spec):
            file = await self._do.copier.copy(request)
        self._transfers.stored(file, "copy")
        return batch_pb2.CopyFileResponse(file=file)

    async def MoveFile(
        self,
        request: batch_pb2.MoveFileRequest,
        context: Context[batch_pb2.MoveFileRequest, batch_pb2.MoveFileResponse],
    ) -> batch_pb2.MoveFileResponse:
        async with self._do.failures.telling(of_upload, request.spec):
            file = await self._do.mover.move(request)
        self._transfers.stored(file, "copy")
        return batch_pb2.MoveFileResponse(file=file)

    async def DeleteFile(
        self,
        request: batch_pb2.DeleteFileRequest,
        context: Context[batch_pb2.DeleteFileRequest, batch_pb2.DeleteFileResponse],
    ) -> batch_pb2.DeleteFileResponse:
        return await self._do.deletions.one(request)

    async def BatchDelete(
        self,
        request: batch_pb2.BatchDeleteRequest,
        context: Context[batch_pb2.BatchDeleteRequest, batch_pb2.BatchDeleteResponse],
    ) -> batch_pb2.BatchDeleteResponse:
        return await self._do.deletions.many(request)

    async def ImportFromUrl(
        self,
        request: direct_pb2.ImportFromUrlRequest,
        context: Context[direct_pb2.ImportFromUrlRequest, direct_pb2.ImportFromUrlResponse],
    ) -> AsyncIterator[direct_pb2.ImportFromUrlResponse]:
        self._do.draining.refuse_imports()
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
                self._transfers.stored(await running, "import")
                yield direct_pb2.ImportFromUrlResponse(file=running.result())
            finally:
                running.cancel()

    async def BatchImport(
        self,
        request: batch_pb2.BatchImportRequest,
        context: Context[batch_pb2.BatchImportRequest, batch_pb2.BatchImportResponse],
    ) -> batch_pb2.BatchImportResponse:
        self._do.draining.refuse_imports()
        with self._do.importer.queue.places([item.spec for item in request.items]):
            results = await self._do.batch_importer.run([(item.url, item.spec) for item in request.items])
        for result in results:
            if not isinstance(result, StrongroomError):
                self._transfers.stored(result, "import")
        return batch_pb2.BatchImportResponse(
            results=[
                batch_pb2.BatchImportResult(error=to_status_proto(result))
                if isinstance(result, StrongroomError)
                else batch_pb2.BatchImportResult(file=result)
                for result in results
            ]
        )

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
        async with self._do.failures.telling(of_piece, request.upload_id):
            file = await self._sessions.direct.complete(request)
        self._transfers.stored(file, "direct")
        return direct_pb2.CompleteUploadResponse(file=file)

    async def SaveProject(
        self,
        request_iterator: AsyncIterator[project_pb2.SaveProjectRequest],
        context: Context[project_pb2.SaveProjectRequest, project_pb2.SaveProjectResponse],
    ) -> project_pb2.SaveProjectResponse:
        saved = await self._do.saver.save(request_iterator)
        self._transfers.saved(saved.version.size_bytes, by_gateway("form"))
        return project_pb2.SaveProjectResponse(project=saved.project, version=saved.version)

    async def SaveProjectArchive(
        self,
        request_iterator: AsyncIterator[project_pb2.SaveProjectArchiveRequest],
        context: Context[project_pb2.SaveProjectArchiveRequest, project_pb2.SaveProjectArchiveResponse],
    ) -> project_pb2.SaveProjectArchiveResponse:
        saved = await self._do.archive_saver.save(request_iterator)
        self._transfers.saved(saved.version.size_bytes, by_gateway("form"))
        return project_pb2.SaveProjectArchiveResponse(project=saved.project, version=saved.version)

    async def RollbackProject(
        self,
        request: project_pb2.RollbackProjectRequest,
        context: Context[project_pb2.RollbackProjectRequest, project_pb2.RollbackProjectResponse],
    ) -> project_pb2.RollbackProjectResponse:
        saved = await self._do.rollback.roll_back(request)
        return project_pb2.RollbackProjectResponse(project=saved.project, version=saved.version)

    async def DeleteProject(
        self,
        request: project_pb2.DeleteProjectRequest,
        context: Context[project_pb2.DeleteProjectRequest, project_pb2.DeleteProjectResponse],
    ) -> project_pb2.DeleteProjectResponse:
        removal = RemoveProjectRequest(slug=request.slug, user_id=request.user_id)
        if request.HasField("expected_version"):
            removal.expected_version = request.expected_version
        project = await self._do.saves.remove(removal)
        return project_pb2.DeleteProjectResponse(project=project)

    async def DownloadArchive(
        self,
        request: download_pb2.DownloadArchiveRequest,
        context: Context[download_pb2.DownloadArchiveRequest, download_pb2.DownloadArchiveResponse],
    ) -> AsyncIterator[download_pb2.DownloadArchiveResponse]:
        async with aclosing(self._do.outgoing.paced(self._do.archives.chunks(request))) as pieces:
            sent = self._transfers.sending(ARCHIVE, read_way())
            async for piece in pieces:
                sent.inc(len(piece))
                yield download_pb2.DownloadArchiveResponse(data=piece)
                del piece

    async def ExportUser(
        self,
        request: download_pb2.ExportUserRequest,
        context: Context[download_pb2.ExportUserRequest, download_pb2.ExportUserResponse],
    ) -> AsyncIterator[download_pb2.ExportUserResponse]:
        async with aclosing(self._do.outgoing.paced(self._do.exports.chunks(request.user_id))) as pieces:
            sent = self._transfers.sending(EXPORT, read_way())
            async for piece in pieces:
                sent.inc(len(piece))
                yield download_pb2.ExportUserResponse(data=piece)
                del piece

    async def SignPreviews(
        self,
        request: preview_pb2.SignPreviewsRequest,
        context: Context[preview_pb2.SignPreviewsRequest, preview_pb2.SignPreviewsResponse],
    ) -> preview_pb2.SignPreviewsResponse:
        return self._do.previews.sign(request)


SERVICE = DESCRIPTOR.services_by_name["StorageService"].full_name


def add_storage_service(server: grpc.aio.Server, servicer: StorageServicer) -> list[str]:
    """Add the service to ``server``; returns its full name, for health and reflection."""
    recorder = _Recorder()
    storage_service_pb2_grpc.add_StorageServiceServicer_to_server(servicer, recorder)  # type: ignore[arg-type]
    handlers = recorder.handlers
    handlers["Upload"] = grpc.stream_unary_rpc_method_handler(
        servicer.Upload,
        request_deserializer=wire.decode_upload,
        response_serializer=UploadResponse.SerializeToString,
    )
    handlers["Download"] = grpc.unary_stream_rpc_method_handler(
        servicer.Download,
        request_deserializer=DownloadRequest.FromString,
        response_serializer=wire.encode_download,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return [SERVICE]


class _Recorder:
    """Stands in for a server and keeps the handlers that the generated code makes."""

    def __init__(self) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore the handlers: the generated code passes the same ones to the method below."""

    def add_registered_method_handlers(
        self, _service: str, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Called by the generated code with the handlers by method name."""
        self.handlers = dict(handlers)
