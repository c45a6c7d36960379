"""``client.projects``: trees of files that are saved as a whole; each save is a version."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from strongroom import errors
from strongroom.client.archive_downloads import save_zip
from strongroom.client.arguments import several
from strongroom.client.connection import Connection
from strongroom.client.project_restores import Restore, read_file
from strongroom.client.project_saves import TreeSave, saved_by
from strongroom.client.project_trees import DEFAULT_IGNORE, Ignore, Tree, TreeFile, read_changes, read_tree
from strongroom.client.project_values import (
    Label,
    Project,
    ProjectFile,
    RestoredProject,
    SavedProject,
)
from strongroom.client.project_versions import ProjectVersions
from strongroom.client.retention import RetentionWish, proto_of
from strongroom.client.sources import UploadSource, as_source
from strongroom.client.spooling.operations import ArchiveOperation, CallOperation, TreeOperation
from strongroom.client.spooling.trees import SaveOperation, SpooledProjects, read_waiting, restore_waiting
from strongroom.client.uploads import Progress
from strongroom.metadata.v1 import project_service_pb2
from strongroom.storage.v1 import download_pb2, project_pb2

#: How often a save is planned again because another save came first.
PLANS = 3

#: No labels.
UNLABELLED = Label()

AnyPath = str | os.PathLike[str]


class Projects(ProjectVersions):
    """The caller's projects. ``slug`` names a project; ``version`` None means the newest."""

    def __init__(self, connection: Connection, user_id: str, spooled: SpooledProjects | None = None) -> None:
        super().__init__(connection, user_id)
        self._spooled = spooled

    async def save(
        self,
        directory: AnyPath,
        slug: str,
        name: str = "",
        *,
        expected_version: int | None = None,
        retention: RetentionWish | None = None,
        label: Label = UNLABELLED,
        storage_class: str = "",
        ignore: Iterable[str] = DEFAULT_IGNORE,
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> SavedProject:
        """Save the contents of ``directory`` as the next version: all files or none. Unchanged files aren't
        sent.

        :param name: display name; default: the slug.
        :param expected_version: the version that the caller has seen; 0: the project must not exist; None:
            don't check.
        :param retention: how long the project is kept from this save on.
        :param label: labels of the new version: ``Label(name, message, tags)``.
        :param storage_class: S3 storage class of new and changed files, if the installation allows a choice.
        :param ignore: patterns as in .gitignore; see ``Ignore``. Links are never followed.
        :param on_progress: called with the bytes sent and the total to send; starts again at 0 with a retry.
        :raises VersionConflict: the project is not at ``expected_version``.
        :raises OSError: something can't be read.
        """
        tree = await asyncio.to_thread(read_tree, Path(directory), Ignore(ignore))
        spec = self._spec(slug, name, expected_version, retention, label, storage_class=storage_class)
        if self._spooled is not None:
            spec.request_id = request_id or str(uuid4())
            unchanged = await self._spooled.if_there(self._unchanged(slug, tree), frozenset())
            try:
                saved = await self._spooled.save(
                    TreeOperation(spec, tree, (), unchanged, on_progress, timeout)
                )
            except errors.PreconditionFailed:  # another save came first: compare again
                spec.request_id, unchanged = request_id or str(uuid4()), frozenset()
                saved = await self._spooled.save(
                    TreeOperation(spec, tree, (), unchanged, on_progress, timeout)
                )
            return replace(saved, sent=len(tree.files) - len(unchanged), skipped=tree.skipped)
        for plan in range(PLANS):
            spec.request_id = request_id or str(uuid4())
            unchanged = await self._unchanged(slug, tree)
            save = TreeSave(self._connection, spec, tree, unchanged, on_progress=on_progress, timeout=timeout)
            try:
                saved = await save.run()
            except (errors.PreconditionFailed, errors.VersionConflict):
                # Another save came first, so unchanged files may be different now.
                if expected_version is not None or plan == PLANS - 1:
                    raise
            else:
                return replace(saved, sent=len(tree.files) - len(unchanged), skipped=tree.skipped)
        raise AssertionError("the last plan returns or raises")

    async def patch(
        self,
        slug: str,
        changed: Mapping[str, AnyPath | bytes],
        removed: Iterable[str] = (),
        *,
        name: str = "",
        expected_version: int | None = None,
        retention: RetentionWish | None = None,
        label: Label = UNLABELLED,
        storage_class: str = "",
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> SavedProject:
        """Save the newest version with these changes as the next one: all of them or none.

        :param changed: by path in the project, the new content: a local path, or bytes.
        :param removed: paths that the next version won't have. All other files stay.
        :param expected_version: the version that the caller has seen; None: don't check.
        :raises VersionConflict: the project is not at ``expected_version``.
        :raises ProjectNotFound: the project does not exist.
        :raises FileNotFound: a path in ``removed`` does not exist.
        :raises OSError: something can't be read.
        """
        tree = await asyncio.to_thread(read_changes, changed)
        spec = self._spec(slug, name, expected_version, retention, label, storage_class=storage_class)
        spec.partial, spec.request_id = True, request_id or str(uuid4())
        operation = TreeOperation(
            spec, tree, several("removed", removed), on_progress=on_progress, timeout=timeout
        )
        return replace(await self._save(operation), sent=len(tree.files))

    async def save_archive(
        self,
        source: UploadSource,
        slug: str,
        name: str = "",
        *,
        expected_version: int | None = None,
        retention: RetentionWish | None = None,
        label: Label = UNLABELLED,
        storage_class: str = "",
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> SavedProject:
        """Save the contents of a ZIP (a path, bytes, a file object …) as the next version.

        :raises ArchiveInvalid: names what is wrong with the ZIP; nothing was saved.
        """
        spec = self._spec(slug, name, expected_version, retention, label, storage_class=storage_class)
        spec.request_id = request_id or str(uuid4())
        read = await asyncio.to_thread(as_source, source)
        saved = await self._save(ArchiveOperation(spec, read, on_progress, timeout))
        return replace(saved, sent=saved.version.file_count)

    async def restore(
        self,
        slug: str,
        directory: AnyPath,
        version: int | None = None,
        *,
        overwrite: bool = False,
        on_progress: Progress | None = None,
    ) -> RestoredProject:
        """Write a version into ``directory``, each file verified and replaced atomically. Files with the same
        content are left alone, and so are files that the version does not have.

        :raises FileExistsError: a file differs and ``overwrite`` is off; nothing was written then.
        :raises ProjectNotFound: or VersionNotFound.
        """
        waiting = None if self._spooled is None or version else await self._spooled.find(slug)
        if waiting is not None:
            return await restore_waiting(
                waiting, Path(directory), overwrite=overwrite, on_progress=on_progress
            )
        found, files = await self._listed(slug, version)
        name = download_pb2.ProjectVersionName(slug=slug, version=found)
        restore = Restore(self._connection, name, self._user_id, on_progress=on_progress)
        written = await restore.into(Path(directory), files, overwrite=overwrite)
        return RestoredProject(Path(directory), found, len(files), written)

    async def rollback(
        self,
        slug: str,
        version: int,
        *,
        expected_version: int | None = None,
        label: Label = UNLABELLED,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> SavedProject:
        """Create a new version with the content of an old one, inside S3.

        :raises VersionConflict: the project is not at ``expected_version``.
        :raises VersionNotFound: there is no such version.
        """
        request = project_pb2.RollbackProjectRequest(
            slug=slug,
            version=version,
            expected_version=expected_version,
            request_id=request_id or str(uuid4()),
            user_id=self._user_id,
            label=label.to_proto(),
        )
        return await self._save(CallOperation(request, timeout))

    async def archive(
        self,
        slug: str,
        path: AnyPath,
        version: int | None = None,
        *,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> Path:
        """Write a version as a ZIP to ``path`` (in a folder: ``{slug}.zip``), atomically. Returns the path.

        :raises ProjectNotFound: or VersionNotFound.
        """
        name = download_pb2.ProjectVersionName(slug=slug, version=version or 0)
        request = download_pb2.DownloadArchiveRequest(project=name, user_id=self._user_id)
        destination = Path(path)
        if await asyncio.to_thread(destination.is_dir):
            destination /= f"{slug}.zip"
        method = self._connection.transfers.DownloadArchive
        await save_zip(
            self._connection, method, request, destination, on_progress=on_progress, timeout=timeout
        )
        return destination

    async def get(self, slug: str) -> Project:
        """One project.

        :raises ProjectNotFound: also when it is somebody else's.
        """
        if self._spooled is not None and (waiting := await self._spooled.find(slug)) is not None:
            return waiting.project(await self._spooled.owner())
        request = project_service_pb2.GetProjectRequest(slug=slug, user_id=self._user_id)
        response = await self._connection.unary(self._connection.projects.GetProject, request)
        return Project.from_proto(response.project)

    async def list(self) -> AsyncGenerator[Project]:
        """All of the caller's projects, newest change first."""
        if self._spooled is None:
            async for project in self._stored():
                yield project
            return
        async with aclosing(self._spooled.over(self._stored())) as projects:
            async for project in projects:
                yield project

    async def _stored(self) -> AsyncGenerator[Project]:
        request = project_service_pb2.ListProjectsRequest(page_size=100, user_id=self._user_id)
        async for page in self._connection.pages(self._connection.projects.ListProjects, request):
            for project in page.projects:
                yield Project.from_proto(project)

    async def files(self, slug: str, version: int | None = None) -> AsyncGenerator[ProjectFile]:
        """The files of a version, in path order.

        :raises ProjectNotFound: or VersionNotFound.
        """
        waiting = None if self._spooled is None or version else await self._spooled.find(slug)
        files = waiting.listed() if waiting is not None else (await self._listed(slug, version))[1]
        for file in files:
            yield file

    async def read(
        self, slug: str, path: str, version: int | None = None, *, timeout: float | None = None
    ) -> bytes:
        """The bytes of one file of a version, verified by its SHA-256.

        :raises ProjectNotFound: or VersionNotFound, or FileNotFound.
        """
        waiting = None if self._spooled is None or version else await self._spooled.find(slug)
        if waiting is not None:
            return await read_waiting(waiting, path)
        name = download_pb2.ProjectFileName(slug=slug, version=version or 0, path=path)
        return await read_file(self._connection, name, self._user_id, timeout)

    async def delete(
        self, slug: str, *, expected_version: int | None = None, timeout: float | None = None
    ) -> Project:
        """Delete a project with all its versions, and return it as it was.

        :raises ProjectNotFound: also when it was deleted before.
        :raises VersionConflict: the project is not at ``expected_version``.
        """
        request = project_pb2.DeleteProjectRequest(
            slug=slug, user_id=self._user_id, expected_version=expected_version
        )
        if self._spooled is not None:
            return await self._spooled.delete(CallOperation(request, timeout))
        method = self._connection.transfers.DeleteProject
        response = await self._connection.unary(method, request, timeout=timeout)
        return Project.from_proto(response.project)

    async def _save(self, operation: SaveOperation) -> SavedProject:
        if self._spooled is not None:
            return await self._spooled.save(operation)
        return saved_by(await operation.direct(self._connection))  # type: ignore[arg-type]  # of a save

    def _spec(
        self,
        slug: str,
        name: str,
        expected_version: int | None,
        retention: RetentionWish | None,
        label: Label,
        *,
        storage_class: str,
    ) -> project_pb2.SaveProjectSpec:
        return project_pb2.SaveProjectSpec(
            slug=slug,
            name=name,
            expected_version=expected_version,
            user_id=self._user_id,
            retention=proto_of(retention),
            label=label.to_proto(),
            storage_class=storage_class,
        )

    async def _unchanged(self, slug: str, tree: Tree) -> frozenset[str]:
        """Return the paths at which the newest version has the same content; empty if the project doesn't
        exist.
        """
        try:
            _, files = await self._listed(slug, None)
        except errors.ProjectNotFound:
            return frozenset()
        there = {file.path: file for file in files}
        return frozenset(file.path for file in tree.files if _is_like(file, there.get(file.path)))

    async def _listed(self, slug: str, version: int | None) -> tuple[int, tuple[ProjectFile, ...]]:
        """Return the version and its files. All pages are of the version of the first page."""
        files: list[ProjectFile] = []
        token = ""
        while True:
            # A page token is bound to the requested version, and continues with the one that was found.
            request = project_service_pb2.ListProjectFilesRequest(
                slug=slug, version=version or 0, page_token=token, user_id=self._user_id
            )
            page = await self._connection.unary(self._connection.projects.ListProjectFiles, request)
            files += map(ProjectFile.from_proto, page.files)
            token = page.next_page_token
            if not token:
                return page.version, tuple(files)


def _is_like(local: TreeFile, there: ProjectFile | None) -> bool:
    """Whether the newest version has the same file."""
    return (
        there is not None
        and (there.size, there.sha256) == (local.size, local.sha256)
        and local.executable in {None, there.executable}
    )
