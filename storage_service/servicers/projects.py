"""The project calls of StorageService over gRPC: converts, and nothing else. Rules live in the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import grpc

from storage_service.projects.archive_saver import ArchiveSaver
from storage_service.projects.archives.downloads import ArchiveDownloader
from storage_service.projects.removing import ProjectDeleter
from storage_service.projects.rollback import ProjectRollback
from storage_service.projects.saver import ProjectSaver
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.previews import Previews
from storage_service.reading.project_downloads import ProjectDownloader
from strongroom.storage.v1 import (
    download_pb2,
    preview_pb2,
    preview_pb2_grpc,
    project_pb2,
    storage_service_pb2_grpc,
)
from strongroom.wire import DownloadChunk

Context = grpc.aio.ServicerContext


@dataclass(frozen=True, slots=True)
class ProjectUseCases:
    """What the calls are handed to."""

    saver: ProjectSaver
    archive_saver: ArchiveSaver
    rollback: ProjectRollback
    deleter: ProjectDeleter
    downloader: ProjectDownloader
    archives: ArchiveDownloader
    previews: Previews


class ProjectMethods(storage_service_pb2_grpc.StorageServiceServicer):
    """Part of StorageServicer; see strongroom/storage/v1/storage_service.proto for what each call
    promises.
    """

    def __init__(self, projects: ProjectUseCases, outgoing: Outgoing) -> None:
        self._projects = projects
        self._outgoing = outgoing

    async def SaveProject(
        self,
        request_iterator: AsyncIterator[project_pb2.SaveProjectRequest],
        context: Context[project_pb2.SaveProjectRequest, project_pb2.SaveProjectResponse],
    ) -> project_pb2.SaveProjectResponse:
        saved = await self._projects.saver.save(request_iterator)
        return project_pb2.SaveProjectResponse(project=saved.project, version=saved.version)

    async def SaveProjectArchive(
        self,
        request_iterator: AsyncIterator[project_pb2.SaveProjectArchiveRequest],
        context: Context[project_pb2.SaveProjectArchiveRequest, project_pb2.SaveProjectArchiveResponse],
    ) -> project_pb2.SaveProjectArchiveResponse:
        saved = await self._projects.archive_saver.save(request_iterator)
        return project_pb2.SaveProjectArchiveResponse(project=saved.project, version=saved.version)

    async def RollbackProject(
        self,
        request: project_pb2.RollbackProjectRequest,
        context: Context[project_pb2.RollbackProjectRequest, project_pb2.RollbackProjectResponse],
    ) -> project_pb2.RollbackProjectResponse:
        saved = await self._projects.rollback.roll_back(request)
        return project_pb2.RollbackProjectResponse(project=saved.project, version=saved.version)

    async def DeleteProject(
        self,
        request: project_pb2.DeleteProjectRequest,
        context: Context[project_pb2.DeleteProjectRequest, project_pb2.DeleteProjectResponse],
    ) -> project_pb2.DeleteProjectResponse:
        return project_pb2.DeleteProjectResponse(project=await self._projects.deleter.delete(request))

    async def DownloadArchive(
        self,
        request: download_pb2.DownloadArchiveRequest,
        context: Context[download_pb2.DownloadArchiveRequest, download_pb2.DownloadArchiveResponse],
    ) -> AsyncIterator[download_pb2.DownloadArchiveResponse]:
        async with aclosing(self._outgoing.paced(self._projects.archives.chunks(request))) as pieces:
            async for piece in pieces:
                yield download_pb2.DownloadArchiveResponse(data=piece)
                del piece

    async def SignPreviews(
        self,
        request: preview_pb2.SignPreviewsRequest,
        context: Context[preview_pb2.SignPreviewsRequest, preview_pb2.SignPreviewsResponse],
    ) -> preview_pb2.SignPreviewsResponse:
        return self._projects.previews.sign(request)

    async def _download_project_file(
        self, request: download_pb2.DownloadRequest
    ) -> AsyncIterator[download_pb2.DownloadResponse | DownloadChunk]:
        async with self._projects.downloader.open(request) as opened:
            yield download_pb2.DownloadResponse(
                project_file=opened.file, read_offset=opened.range.offset, read_size=opened.range.size
            )
            if opened.body is not None:
                async with aclosing(self._outgoing.paced(opened.body)) as body:
                    async for chunk in body:
                        yield DownloadChunk(chunk)
                        del chunk


class PreviewServicer(preview_pb2_grpc.PreviewServiceServicer):
    """PreviewService: its tokens are all the right that a caller needs."""

    def __init__(self, previews: Previews, outgoing: Outgoing) -> None:
        self._previews = previews
        self._outgoing = outgoing

    async def DownloadPreview(
        self,
        request: preview_pb2.DownloadPreviewRequest,
        context: Context[preview_pb2.DownloadPreviewRequest, preview_pb2.DownloadPreviewResponse],
    ) -> AsyncIterator[preview_pb2.DownloadPreviewResponse]:
        messages = self._outgoing.paced(self._previews.messages(request), lambda message: len(message.data))
        async with aclosing(messages) as paced:
            async for message in paced:
                yield message
                del message
