"""metadata.v1.ProjectService, and PreviewedFileService for the file that a preview shows.

PreviewedFileService is internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.db.revisions import Revisions
from metadata_service.projects.labels import VersionLabels
from metadata_service.projects.pruning import VersionRules
from metadata_service.projects.queries import ProjectQueries
from metadata_service.retention_rules import VersionRule
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.metadata.v1 import previewed_file_service_pb2 as preview_pb
from strongroom.metadata.v1 import project_service_pb2 as pb
from strongroom.metadata.v1.previewed_file_service_pb2_grpc import PreviewedFileServiceServicer
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class ProjectServicer(ProjectServiceServicer):
    """Converts requests and responses."""

    def __init__(
        self, queries: ProjectQueries, labels: VersionLabels, rules: VersionRules, revisions: Revisions
    ) -> None:
        self._queries = queries
        self._rules = rules
        self._labels = labels
        self._revisions = revisions

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> pb.GetProjectResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.GetProjectResponse(project=await self._queries.project(owner, request.slug))

    async def ListProjects(
        self, request: pb.ListProjectsRequest, context: Context
    ) -> pb.ListProjectsResponse:
        owner = effective_owner(current_principal(), request.user_id)
        page = request.page_size, request.page_token
        with self._revisions.seen() as seen:
            projects, total, token = await self._queries.projects(owner, *page)
        return pb.ListProjectsResponse(
            projects=projects, total_size=total, next_page_token=token, revision=seen.text
        )

    async def ListProjectVersions(
        self, request: pb.ListProjectVersionsRequest, context: Context
    ) -> pb.ListProjectVersionsResponse:
        owner = effective_owner(current_principal(), request.user_id)
        page = request.page_size, request.page_token
        with self._revisions.seen() as seen:
            versions, token = await self._queries.versions(owner, request.slug, *page)
        return pb.ListProjectVersionsResponse(versions=versions, next_page_token=token, revision=seen.text)

    async def GetVersionRule(
        self, request: pb.GetVersionRuleRequest, context: Context
    ) -> pb.GetVersionRuleResponse:
        owner = effective_owner(current_principal(), request.user_id)
        rule, own = await self._rules.get(owner, request.slug)
        return pb.GetVersionRuleResponse(rule=_shown(rule), own=own)

    async def SetVersionRule(
        self, request: pb.SetVersionRuleRequest, context: Context
    ) -> pb.SetVersionRuleResponse:
        owner = effective_owner(current_principal(), request.user_id)
        wanted = None
        if request.HasField("rule"):
            wanted = VersionRule(request.rule.keep_last, request.rule.keep_daily_days)
        rule, own = await self._rules.set(owner, request.slug, wanted)
        return pb.SetVersionRuleResponse(rule=_shown(rule), own=own)

    async def UpdateProjectVersion(
        self, request: pb.UpdateProjectVersionRequest, context: Context
    ) -> pb.UpdateProjectVersionResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.UpdateProjectVersionResponse(version=await self._labels.update(owner, request))

    async def ListProjectFiles(
        self, request: pb.ListProjectFilesRequest, context: Context
    ) -> pb.ListProjectFilesResponse:
        owner = effective_owner(current_principal(), request.user_id)
        page = request.page_size, request.page_token
        with self._revisions.seen() as seen:
            files, version, token = await self._queries.files(owner, request.slug, request.version, *page)
        return pb.ListProjectFilesResponse(
            files=files, version=version, next_page_token=token, revision=seen.text
        )

    async def GetProjectFile(
        self, request: pb.GetProjectFileRequest, context: Context
    ) -> pb.GetProjectFileResponse:
        owner = effective_owner(current_principal(), request.user_id)
        find = self._queries.shown_file if request.front_end else self._queries.file
        file, version = await find(owner, request.slug, request.version, request.path)
        return pb.GetProjectFileResponse(file=file, version=version)


def _shown(rule: VersionRule) -> pb.VersionRule:
    return pb.VersionRule(keep_last=rule.last, keep_daily_days=rule.daily_days)


class PreviewedFileServicer(PreviewedFileServiceServicer):
    """Converts requests and responses. Acts for the owner whom a verified preview token names."""

    def __init__(self, queries: ProjectQueries) -> None:
        self._queries = queries

    async def GetPreviewedFile(
        self, request: preview_pb.GetPreviewedFileRequest, context: Context
    ) -> preview_pb.GetPreviewedFileResponse:
        file, _ = await self._queries.shown_file(
            request.owner_id, request.slug, request.version, request.path, request.project_id
        )
        return preview_pb.GetPreviewedFileResponse(file=file)
