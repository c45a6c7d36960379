"""The part of ``client.projects`` about versions: list, label, and how many are kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from strongroom.client.arguments import several
from strongroom.client.connection import Connection
from strongroom.client.project_values import ProjectVersion, VersionRule
from strongroom.metadata.v1 import project_service_pb2
from strongroom.metadata.v1.event_media_service_pb2 import Tags


class ProjectVersions:
    """Versions of the caller's projects."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id

    async def versions(self, slug: str) -> AsyncGenerator[ProjectVersion]:
        """A project's versions, newest first.

        :raises ProjectNotFound: also when it is somebody else's.
        """
        request = project_service_pb2.ListProjectVersionsRequest(
            slug=slug, page_size=1000, user_id=self._user_id
        )
        async for page in self._connection.pages(self._connection.projects.ListProjectVersions, request):
            for version in page.versions:
                yield ProjectVersion.from_proto(version)

    async def label(
        self,
        slug: str,
        version: int,
        *,
        name: str | None = None,
        message: str | None = None,
        tags: Iterable[str] | None = None,
    ) -> ProjectVersion:
        """Change the labels of a version; None: unchanged.

        :raises ProjectNotFound: or VersionNotFound.
        """
        request = project_service_pb2.UpdateProjectVersionRequest(
            slug=slug,
            version=version,
            name=name,
            message=message,
            tags=None if tags is None else Tags(values=dict.fromkeys(several("tags", tags))),
            user_id=self._user_id,
        )
        response = await self._connection.unary(self._connection.projects.UpdateProjectVersion, request)
        return ProjectVersion.from_proto(response.version)

    async def keep_versions(self, slug: str, last: int | None, *, daily_days: int = 0) -> VersionRule:
        """Set which old versions are kept, besides those with a name or a tag: the newest ``last`` (0: all),
        and the last one of each day for ``daily_days`` days. ``last`` None: as in the service's settings.

        :raises ProjectNotFound: also when it is somebody else's.
        """
        rule = None
        if last is not None:
            rule = project_service_pb2.VersionRule(keep_last=last, keep_daily_days=daily_days)
        request = project_service_pb2.SetVersionRuleRequest(slug=slug, rule=rule, user_id=self._user_id)
        found = await self._connection.unary(self._connection.projects.SetVersionRule, request)
        return VersionRule(found.rule.keep_last, found.rule.keep_daily_days, found.own)

    async def version_rule(self, slug: str) -> VersionRule:
        """The rule in effect.

        :raises ProjectNotFound: also when it is somebody else's.
        """
        request = project_service_pb2.GetVersionRuleRequest(slug=slug, user_id=self._user_id)
        found = await self._connection.unary(self._connection.projects.GetVersionRule, request)
        return VersionRule(found.rule.keep_last, found.rule.keep_daily_days, found.own)
