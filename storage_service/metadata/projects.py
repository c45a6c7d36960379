"""Projects in metadata_service: the write protocol of saves, and queries (docs/projects.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1 import project_service_pb2 as queries
from strongroom.metadata.v1.blob_pb2 import Blob, BlobKind
from strongroom.metadata.v1.previewed_file_service_pb2 import GetPreviewedFileRequest
from strongroom.metadata.v1.previewed_file_service_pb2_grpc import PreviewedFileServiceStub
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.metadata.v1.project_save_service_pb2_grpc import ProjectSaveServiceStub
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceStub

PROJECTS_PAGE = 100
VERSIONS_PAGE = 500
COMMIT_SECONDS = 9.0
"""The commit of a save is one transaction, with up to 5,000 files."""


class ProjectSaves(MetadataClient):
    """ProjectSaveService. ``begin`` and ``remove`` act for the caller.

    The other steps name the save's owner, so that a save may outlive its caller's token.
    """

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._saves = ProjectSaveServiceStub(channel)

    async def begin(self, request: pb.BeginSaveRequest) -> pb.BeginSaveResponse:
        """Begin a save. Raises RequestInProgress, VersionConflict, IdempotencyKeyReused, ProjectNotFound."""
        return await self._ask(self._saves.BeginSave, request)

    async def reserve(
        self,
        owner_id: str,
        save_id: str,
        files: Sequence[pb.FileReservation],
        kind: BlobKind.ValueType,
        storage_class: str = "",
    ) -> Sequence[Blob]:
        """Return one blob per file (at most 500) in the given order; without an id if the file is unchanged.

        Raises PathInvalid, PreconditionFailed, QuotaExceeded, FileCountExceeded, UploadSuperseded.
        """
        request = pb.ReserveFilesRequest(
            save_id=save_id, owner_id=owner_id, files=files, kind=kind, storage_class=storage_class
        )
        return (await self._step(self._saves.ReserveFiles, request)).blobs

    async def keep(self, owner_id: str, save_id: str, kept: pb.KeptFiles) -> None:
        """Take files of the newest version over unchanged. May be repeated. Raises UploadSuperseded."""
        request = pb.ReserveFilesRequest(save_id=save_id, owner_id=owner_id, kept=kept)
        await self._step(self._saves.ReserveFiles, request)

    async def record(self, owner_id: str, save_id: str, entries: Sequence[pb.ManifestEntry]) -> None:
        """Record files that were written, at most 500. Raises UploadSuperseded."""
        request = pb.RecordFilesRequest(save_id=save_id, owner_id=owner_id, entries=entries)
        await self._step(self._saves.RecordFiles, request)

    async def renew(self, owner_id: str, save_id: str) -> float:
        """Renew the lease and return it in seconds from now. Raises UploadSuperseded."""
        request = pb.RenewSaveRequest(save_id=save_id, owner_id=owner_id)
        return (await self._step(self._saves.RenewSave, request)).lease.ToTimedelta().total_seconds()

    async def commit_save(self, request: pb.CommitSaveRequest) -> pb.CommitSaveResponse:
        """Commit the save. A repeat returns the same answer. Raises UploadSuperseded, VersionNotFound."""
        return await self._step(self._saves.CommitSave, request, COMMIT_SECONDS)

    async def abandon_save(self, owner_id: str, save_id: str) -> None:
        """End the save without a version."""
        request = pb.AbandonSaveRequest(save_id=save_id, owner_id=owner_id)
        await self._step(self._saves.AbandonSave, request)

    async def remove(self, request: pb.RemoveProjectRequest) -> Project:
        """D1 of a project. Raises ProjectNotFound, VersionConflict."""
        return (await self._ask(self._saves.RemoveProject, request, COMMIT_SECONDS)).project

    async def claim_keys(self, limit: int, owner_id: str = "", slug: str = "") -> Sequence[pb.ProjectKey]:
        """Return up to ``limit`` keys that are due for a look, each leased to this process.

        With ``slug``, only keys of that project.
        """
        request = pb.ClaimKeysRequest(limit=limit, owner_id=owner_id, slug=slug)
        return (await self._step(self._saves.ClaimKeys, request)).keys

    async def report_keys(self, reports: Sequence[pb.KeyReport]) -> None:
        """Report the state in which keys were found and left; at most 500."""
        await self._step(self._saves.ReportKeys, pb.ReportKeysRequest(reports=reports))


class ProjectReader(MetadataClient):
    """ProjectService, for the caller; PreviewedFileService, for the holder of a preview token."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._projects = ProjectServiceStub(channel)
        self._previewed = PreviewedFileServiceStub(channel)

    async def project_file(
        self, slug: str, version: int, path: str, user_id: str, *, front_end: bool = False
    ) -> ProjectFile:
        """Return a file of a version. ``version`` 0: the newest. ``front_end``: as previews show it.

        Raises ProjectNotFound, VersionNotFound, FileNotFound, PathInvalid.
        """
        request = queries.GetProjectFileRequest(
            slug=slug, version=version, path=path, user_id=user_id, front_end=front_end
        )
        return (await self._ask(self._projects.GetProjectFile, request)).file

    async def project(self, slug: str, user_id: str) -> Project:
        """Return a project with the properties of its newest version. Raises ProjectNotFound."""
        request = queries.GetProjectRequest(slug=slug, user_id=user_id)
        return (await self._ask(self._projects.GetProject, request)).project

    async def previewed_file(
        self, owner_id: str, slug: str, version: int, path: str, project_id: str
    ) -> ProjectFile:
        """Return the file that a verified token and ``path`` name.

        Raises ProjectNotFound, VersionNotFound, FileNotFound, PathInvalid.
        """
        request = GetPreviewedFileRequest(
            owner_id=owner_id, slug=slug, version=version, path=path, project_id=project_id
        )
        return (await self._step(self._previewed.GetPreviewedFile, request)).file

    async def projects(self, user_id: str) -> AsyncIterator[Project]:
        """Yield all projects of the user, last changed first."""
        request = queries.ListProjectsRequest(user_id=user_id, page_size=PROJECTS_PAGE)
        async for page in self._pages(self._projects.ListProjects, request):
            for project in page.projects:
                yield project

    async def versions(self, slug: str, user_id: str) -> AsyncIterator[ProjectVersion]:
        """Yield all versions of a project, newest first. Raises ProjectNotFound."""
        request = queries.ListProjectVersionsRequest(slug=slug, user_id=user_id, page_size=VERSIONS_PAGE)
        async for page in self._pages(self._projects.ListProjectVersions, request):
            for version in page.versions:
                yield version

    async def project_files(
        self, slug: str, version: int, user_id: str
    ) -> AsyncIterator[tuple[int, Sequence[ProjectFile]]]:
        """Yield pages of files in path order, each with the version's number. Raises ProjectNotFound,
        VersionNotFound.
        """
        request = queries.ListProjectFilesRequest(slug=slug, version=version, user_id=user_id)
        async for page in self._pages(self._projects.ListProjectFiles, request):
            yield page.version, page.files
