"""metadata_service over gRPC: the adapter of ``projects.metadata``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from grpc import aio

from servicekit import context
from servicekit.channels import call
from servicekit.internal_credential import InternalCredential
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1 import project_service_pb2 as queries
from strongroom.metadata.v1.blob_pb2 import Blob, BlobKind
from strongroom.metadata.v1.previewed_file_service_pb2 import GetPreviewedFileRequest
from strongroom.metadata.v1.previewed_file_service_pb2_grpc import PreviewedFileServiceStub
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.metadata.v1.project_save_service_pb2_grpc import ProjectSaveServiceStub
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")

STEP_SECONDS = 6.0
"""Limit of one step; a transaction of 500 files takes some ten milliseconds."""
COMMIT_SECONDS = 9.0
"""A commit of 5,000 files is one transaction."""


class ProjectMetadataClient:
    """Implements ProjectSaves, ProjectRemoval, ProjectReader, PreviewReader and ProjectKeyWork."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        self._saves = ProjectSaveServiceStub(channel)
        self._queries = ProjectServiceStub(channel)
        self._previewed = PreviewedFileServiceStub(channel)
        self._internal = internal

    async def begin(self, request: pb.BeginSaveRequest) -> pb.BeginSaveResponse:
        """See ProjectSaves.begin."""
        return await call(self._saves.BeginSave, request, internal=self._internal)

    async def reserve(
        self, owner_id: str, save_id: str, files: Sequence[pb.FileReservation], kind: BlobKind.ValueType
    ) -> Sequence[Blob]:
        """See ProjectSaves.reserve."""
        request = pb.ReserveFilesRequest(save_id=save_id, owner_id=owner_id, files=files, kind=kind)
        return (await self._step(self._saves.ReserveFiles, request)).blobs

    async def record(self, owner_id: str, save_id: str, entries: Sequence[pb.ManifestEntry]) -> None:
        """See ProjectSaves.record."""
        request = pb.RecordFilesRequest(save_id=save_id, owner_id=owner_id, entries=entries)
        await self._step(self._saves.RecordFiles, request)

    async def renew(self, owner_id: str, save_id: str) -> float:
        """See ProjectSaves.renew."""
        request = pb.RenewSaveRequest(save_id=save_id, owner_id=owner_id)
        return (await self._step(self._saves.RenewSave, request)).lease.ToTimedelta().total_seconds()

    async def commit_save(self, request: pb.CommitSaveRequest) -> pb.CommitSaveResponse:
        """See ProjectSaves.commit_save."""
        return await self._step(self._saves.CommitSave, request, COMMIT_SECONDS)

    async def abandon_save(self, owner_id: str, save_id: str) -> None:
        """See ProjectSaves.abandon_save."""
        request = pb.AbandonSaveRequest(save_id=save_id, owner_id=owner_id)
        await self._step(self._saves.AbandonSave, request)

    async def remove(self, slug: str, user_id: str) -> Project:
        """See ProjectRemoval.remove."""
        request = pb.RemoveProjectRequest(slug=slug, user_id=user_id)
        reply = await call(
            self._saves.RemoveProject, request, internal=self._internal, timeout=COMMIT_SECONDS
        )
        return reply.project

    async def project_file(
        self, slug: str, version: int, path: str, user_id: str, *, front_end: bool = False
    ) -> ProjectFile:
        """See ProjectReader.project_file."""
        request = queries.GetProjectFileRequest(
            slug=slug, version=version, path=path, user_id=user_id, front_end=front_end
        )
        return (await call(self._queries.GetProjectFile, request, internal=self._internal)).file

    async def previewed_file(self, owner_id: str, slug: str, version: int, path: str) -> ProjectFile:
        """See PreviewReader.previewed_file."""
        request = GetPreviewedFileRequest(owner_id=owner_id, slug=slug, version=version, path=path)
        return (await self._step(self._previewed.GetPreviewedFile, request)).file

    async def project_files(
        self, slug: str, version: int, user_id: str
    ) -> AsyncIterator[tuple[int, Sequence[ProjectFile]]]:
        """See ProjectReader.project_files."""
        request = queries.ListProjectFilesRequest(slug=slug, version=version, user_id=user_id)
        while True:
            page = await call(self._queries.ListProjectFiles, request, internal=self._internal)
            yield page.version, page.files
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def claim_keys(self, limit: int, owner_id: str = "", slug: str = "") -> Sequence[pb.ProjectKey]:
        """See ProjectKeyWork.claim_keys."""
        request = pb.ClaimKeysRequest(limit=limit, owner_id=owner_id, slug=slug)
        return (await self._step(self._saves.ClaimKeys, request)).keys

    async def report_keys(self, reports: Sequence[pb.KeyReport]) -> None:
        """See ProjectKeyWork.report_keys."""
        await self._step(self._saves.ReportKeys, pb.ReportKeysRequest(reports=reports))

    async def _step(
        self,
        method: aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float = STEP_SECONDS,
    ) -> Response:
        """One step on the service's own behalf, with a deadline of its own: the caller's must not cut it."""
        with context.bind(context.RequestContext(request_id=context.current_request_id())):
            return await call(method, request, timeout=timeout, internal=self._internal, as_caller=False)
