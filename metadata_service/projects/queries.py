"""Queries over an owner's projects. Each takes one round trip, except for the exact total of a list."""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Database, Row, user
from metadata_service.db.paging import BEFORE, PageTokens, fitting, page_size
from metadata_service.projects import front_end
from metadata_service.projects.rows import (
    FILE_COLUMNS,
    PROJECT_COLUMNS,
    VERSION_COLUMNS,
    key_prefix,
    project_not_found,
    to_file,
    to_project,
    to_version,
)
from strongroom.errors import FileNotFound, VersionNotFound
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.path_rules import normal_path

PROJECTS_PAGE: Final = (20, 100)
VERSIONS_PAGE: Final = (100, 1000)
FILES_PAGE: Final = (5000, 5000)

_PROJECT: Final = f"""
SELECT {PROJECT_COLUMNS} FROM projects WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0
"""
_PINNED: Final = """
SELECT id::text, version, CASE WHEN %(version)s = 0 THEN version ELSE (
    SELECT versions.version FROM project_versions AS versions WHERE versions.owner_id = projects.owner_id
        AND versions.project_id = projects.id AND versions.version = %(version)s) END
FROM projects WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0
"""
PROJECTS: Final = f"""
SELECT {PROJECT_COLUMNS}, projects.id,
    (SELECT count(*) FROM projects WHERE owner_id = %(owner)s AND version > 0)
FROM projects
WHERE owner_id = %(owner)s AND version > 0
    AND {BEFORE.format(moment="updated_at", id="id")}
ORDER BY projects.updated_at DESC, projects.id DESC LIMIT %(limit)s
"""
_TOTAL: Final = "SELECT count(*) FROM projects WHERE owner_id = %(owner)s AND version > 0"
VERSIONS: Final = f"""
SELECT {VERSION_COLUMNS} FROM projects
LEFT JOIN project_versions AS versions ON versions.owner_id = projects.owner_id
    AND versions.project_id = projects.id
    AND versions.version < CASE WHEN %(before)s::bigint IS NULL THEN {2**63 - 1} ELSE %(before)s::bigint END
WHERE projects.owner_id = %(owner)s AND projects.slug = %(slug)s AND projects.version > 0
ORDER BY versions.version DESC LIMIT %(limit)s
"""
#: The requested version (0: the newest) and whether it exists; then its files, if any.
_AT_VERSION: Final = """
FROM (
    SELECT owner_id, id, version AS newest,
        CASE WHEN %(version)s = 0 THEN version ELSE (
            SELECT versions.version FROM project_versions AS versions
            WHERE versions.owner_id = projects.owner_id AND versions.project_id = projects.id
                AND versions.version = %(version)s) END AS version
    FROM projects WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0
) AS asked
LEFT JOIN project_files AS files ON files.owner_id = asked.owner_id AND files.project_id = asked.id
    AND files.from_version <= asked.version
    AND (files.until_version IS NULL OR files.until_version > asked.version)
"""
_FILES: Final = f"""
SELECT asked.newest, asked.version, {FILE_COLUMNS} {_AT_VERSION} AND files.path > %(after)s
ORDER BY files.path LIMIT %(limit)s
"""
_FILE: Final = f"SELECT asked.newest, asked.version, {FILE_COLUMNS} {_AT_VERSION} AND files.path = %(path)s"
_SOME_FILES: Final = f"""
SELECT asked.newest, asked.version, {FILE_COLUMNS} {_AT_VERSION} AND files.path = ANY(%(paths)s::text[])
WHERE %(project)s::uuid IS NULL OR asked.id = %(project)s::uuid
"""


class ProjectQueries:
    """Reads projects."""

    def __init__(self, database: Database, tokens: PageTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def project(self, owner_id: str, slug: str) -> Project:
        """The project at its newest version. Raises ProjectNotFound."""
        rows = await self._database.read(user(owner_id), _PROJECT, {"owner": owner_id, "slug": slug})
        if not rows:
            raise project_not_found()
        return to_project(rows[0])

    async def pinned_version(self, owner_id: str, slug: str, version: int) -> tuple[str, int]:
        """The project's id, and the version (0 becomes the newest one). Raises ProjectNotFound,
        VersionNotFound.
        """
        params = {"owner": owner_id, "slug": slug, "version": version}
        rows = await self._database.read(user(owner_id), _PINNED, params)
        if not rows:
            raise project_not_found()
        project_id, newest, found = rows[0]
        if found is None:
            raise no_such_version(version, newest)
        return project_id, found

    async def projects(self, owner_id: str, size: int, token: str) -> tuple[list[Project], int, str]:
        """One page, last changed first; the total; and the next page's token (`""`: none).

        `size` 0 means 20; at most 100. Raises InvalidPageToken.
        """
        query = ["ListProjects", owner_id]
        before, before_id = self._tokens.open_moment(query, token) if token else (None, None)
        limit = page_size(size, default=PROJECTS_PAGE[0], largest=PROJECTS_PAGE[1])
        params = {
            "owner": owner_id,
            "before": before,
            "before_id": before_id,
            "limit": limit + 1,
        }
        rows = await self._database.read_list(user(owner_id), PROJECTS, params)
        page = rows[:limit]
        total = rows[0][-1] if rows else await self._total(owner_id)
        following = ""
        if len(rows) > limit:
            following = self._tokens.seal_moment(query, page[-1][11], page[-1][13])
        return [to_project(row[:13]) for row in page], total, following

    async def versions(
        self, owner_id: str, slug: str, size: int, token: str
    ) -> tuple[list[ProjectVersion], str]:
        """One page, newest first, and the next one's token. `size` 0 means 100; at most 1,000.

        Raises ProjectNotFound, InvalidPageToken.
        """
        query = ["ListProjectVersions", owner_id, slug]
        before = int(self._tokens.open(query, token, parts=1)[0]) if token else None
        limit = page_size(size, default=VERSIONS_PAGE[0], largest=VERSIONS_PAGE[1])
        params = {"owner": owner_id, "slug": slug, "before": before, "limit": limit + 1}
        rows = await self._database.read_list(user(owner_id), VERSIONS, params)
        if not rows:
            raise project_not_found()
        page = [to_version(row) for row in rows[:limit] if row[0] is not None]
        following = self._tokens.seal(query, [str(page[-1].version)]) if len(rows) > limit else ""
        return page, following

    async def files(
        self, owner_id: str, slug: str, version: int, size: int, token: str
    ) -> tuple[list[ProjectFile], int, str]:
        """One page in path order, the listed version (0 requests the newest), and the next page's token.

        A token continues with the version of its first page. Raises ProjectNotFound, VersionNotFound,
        InvalidPageToken.
        """
        query = ["ListProjectFiles", owner_id, slug, version]
        after = ""
        if token:
            listed, after = self._tokens.open(query, token, parts=2)
            version = int(listed)
        limit = page_size(size, default=FILES_PAGE[0], largest=FILES_PAGE[1])
        params = {"owner": owner_id, "slug": slug, "version": version, "after": after, "limit": limit + 1}
        rows = await self._database.read_list(user(owner_id), _FILES, params)
        listed_version = _version_of(rows, version)
        found = [row for row in rows if row[2] is not None]
        prefix = key_prefix(owner_id, slug)
        files = fitting(found[:limit], lambda row: to_file(prefix, row[2:]))
        if len(files) == len(found):
            return files, listed_version, ""
        return files, listed_version, self._tokens.seal(query, [str(listed_version), files[-1].path])

    async def file(self, owner_id: str, slug: str, version: int, path: str) -> tuple[ProjectFile, int]:
        """One file and the version it was read from. Raises ProjectNotFound, VersionNotFound, FileNotFound,
        PathInvalid.
        """
        params = {"owner": owner_id, "slug": slug, "version": version, "path": normal_path(path)}
        rows = await self._database.read(user(owner_id), _FILE, params)
        found_version = _version_of(rows, version)
        if rows[0][2] is None:
            raise FileNotFound("This version of the project has no such file.")
        return to_file(key_prefix(owner_id, slug), rows[0][2:]), found_version

    async def shown_file(
        self, owner_id: str, slug: str, version: int, path: str, project_id: str = ""
    ) -> tuple[ProjectFile, int]:
        """The file that a preview shows at ``path``, and its version. ``project_id``: only of this project.

        Raises as ``file``; a file outside the front end is not found.
        """
        path = normal_path(path)
        params: dict[str, object] = {
            "owner": owner_id,
            "slug": slug,
            "version": version,
            "paths": front_end.wanted(path),
            "project": project_id or None,
        }
        rows = await self._database.read(user(owner_id), _SOME_FILES, params)
        found_version = _version_of(rows, version)
        prefix = key_prefix(owner_id, slug)
        files = {file.path: file for file in (to_file(prefix, row[2:]) for row in rows if row[2] is not None)}
        chosen = front_end.chosen(path, files)
        if chosen is None:
            raise FileNotFound("The front end of this version of the project has no such file.")
        return files[chosen], found_version

    async def _total(self, owner_id: str) -> int:
        return int((await self._database.read_list(user(owner_id), _TOTAL, {"owner": owner_id}))[0][0])


def _version_of(rows: list[Row], asked: int) -> int:
    """The version in rows of `_AT_VERSION`. Raises ProjectNotFound, VersionNotFound."""
    if not rows:
        raise project_not_found()
    newest, version = rows[0][:2]
    if version is None:
        raise no_such_version(asked, newest)
    return int(version)


def no_such_version(asked: int, newest: int) -> VersionNotFound:
    """The error for a version that never existed or was removed by the project's rule."""
    return VersionNotFound(f"The project has no version {asked} (any more); the newest is {newest}.")
