"""ExportUser: everything that a user has stored as one ZIP with a manifest, written while it is read.

Names contain ids, so that they are unique without remembering any: `files/{family}/{id}/{file name}`, and
`projects/{slug}/{version}/{path}` for the version that introduced a content. Lost files, and archived ones
that still have to be restored, don't end the export: the manifest, which comes last, names them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

from servicekit import context as calls
from servicekit.auth.principal import effective_owner
from servicekit.moments import rfc3339
from storage_service.attempts.acts import HeldActs
from storage_service.metadata.belongings import Belongings
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.projects.archives import manifest as records
from storage_service.projects.archives.manifest import Manifest, ManifestRoom
from storage_service.projects.archives.sources import ArchiveSource, StoredFile, stored_file
from storage_service.projects.archives.zip_out import BodySizeChanged, ZipEntry, ZipStream
from strongroom.errors import FileNotFound, ObjectArchived, ObjectLost, ProjectNotFound, VersionNotFound
from strongroom.families import family_name
from strongroom.local_names import fit
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile

ACT: Final = "export_user"
_LOST: Final = (ObjectLost, ObjectArchived, FileNotFound)


class Exports:
    """The use case; one instance per process."""

    def __init__(
        self,
        source: ArchiveSource,
        files: FileReader,
        projects: ProjectReader,
        belongings: Belongings,
        acts: HeldActs,
        *,
        room: ManifestRoom,
    ) -> None:
        self._acts = acts
        self._room = room
        self._source = source
        self._files = files
        self._projects = projects
        self._belongings = belongings

    async def chunks(self, user_id: str) -> AsyncIterator[bytes]:
        """The ZIP in pieces. Empty ``user_id``: the caller's. Raises UserMismatch."""
        caller = calls.current_principal()
        owner = effective_owner(caller, user_id)
        async with AsyncExitStack() as stack:
            if owner != caller.subject:
                counts = await stack.enter_async_context(self._acts.held(ACT, about=owner))
            else:
                counts = Counter()
            stream = await stack.enter_async_context(aclosing(self._zip(owner, user_id)))
            async for piece in stream:
                counts["bytes"] += len(piece)
                yield piece

    async def _zip(self, owner: str, user_id: str) -> AsyncGenerator[bytes]:
        now = datetime.fromtimestamp(time.time(), UTC)
        head = {"owner_id": owner, "export_time": rfc3339(now)}
        manifest = Manifest(head, self._room)
        try:
            source, told = self._source, partial(_tell, manifest)
            stream = ZipStream(told, _LOST, source.memory, source.packing, calls.caller())
            async with self._source.entries(self._stored(manifest, user_id)) as entries:
                async for piece in stream.chunks(_with_manifest(entries, manifest, now)):
                    yield piece
        finally:
            manifest.close()

    async def _stored(self, manifest: Manifest, user_id: str) -> AsyncIterator[StoredFile]:
        manifest.begin("files")
        async for page in self._files.files_below("", user_id, show_deleted=True):
            for file in page:
                name = _name_of(file)
                manifest.add(records.file_record(file, name))
                if stored := _there(manifest, file, name):
                    yield stored
        manifest.end()
        projects = [project async for project in self._projects.projects(user_id)]
        manifest.begin("projects")
        for project in projects:
            manifest.add(records.project_record(project))
        manifest.end()
        manifest.begin("project_versions")
        numbers = [await self._versions(manifest, project, user_id) for project in projects]
        manifest.end()
        manifest.begin("project_contents")
        for project, versions in zip(projects, numbers, strict=True):
            async for content in self._contents(manifest, project.slug, versions, user_id):
                yield content
        manifest.end()
        await self._list_belongings(manifest, user_id)

    async def _list_belongings(self, manifest: Manifest, user_id: str) -> None:
        manifest.begin("shares")
        async for share in self._belongings.shares(user_id):
            manifest.add(records.share_record(share))
        manifest.end()
        manifest.begin("webhooks")
        async for webhook in self._belongings.webhooks(user_id):
            manifest.add(records.webhook_record(webhook))
        manifest.end()

    async def _versions(self, manifest: Manifest, project: Project, user_id: str) -> list[int]:
        """The existing versions, ascending: a rule may have removed old ones."""
        numbers = {project.version}
        with suppress(ProjectNotFound):  # its contents, which come next, are reported as lost
            async for version in self._projects.versions(project.slug, user_id):
                manifest.add(records.version_record(project.slug, version))
                numbers.add(version.version)
        return sorted(numbers)

    async def _contents(
        self, manifest: Manifest, slug: str, versions: Sequence[int], user_id: str
    ) -> AsyncIterator[StoredFile]:
        """Each content once, with the version that introduced it."""
        last = 0
        for version in versions:
            try:
                async for file, removed in self._changes(slug, version, last, user_id):
                    if file is None:
                        manifest.add({"slug": slug, "version": version, "removed": removed})
                        continue
                    name = f"projects/{slug}/{version}/{file.path}"
                    manifest.add(records.content_record(slug, version, file, name))
                    if stored := _there(manifest, file, name):
                        yield stored
                last = version
            except VersionNotFound:  # this version or the one before is gone: report the next one completely
                manifest.lost({"slug": slug, "version": version, "reason": "the version is not there"})
                last = 0
            except ProjectNotFound:
                manifest.lost({"slug": slug, "version": version, "reason": "deleted during the export"})
                return

    async def _changes(
        self, slug: str, version: int, last: int, user_id: str
    ) -> AsyncIterator[tuple[ProjectFile | None, str]]:
        """Changes by path between two versions: contents of ``version`` that ``last`` (0: none) lacks, and
        removed paths.
        """
        async with (
            aclosing(self._paths(slug, version, user_id)) as now,
            aclosing(self._paths(slug, last, user_id)) as before,
        ):
            new, old = await anext(now, None), await anext(before, None)
            while new is not None or old is not None:
                if new is None or (old is not None and old.path.encode() < new.path.encode()):
                    if old is not None:
                        yield None, old.path
                    old = await anext(before, None)
                elif old is None or new.path.encode() < old.path.encode():
                    yield new, ""
                    new = await anext(now, None)
                else:
                    if (new.version_id, new.executable) != (old.version_id, old.executable):
                        yield new, ""
                    new, old = await anext(now, None), await anext(before, None)

    async def _paths(self, slug: str, version: int, user_id: str) -> AsyncGenerator[ProjectFile]:
        if not version:
            return
        async for _, files in self._projects.project_files(slug, version, user_id):
            for file in files:
                yield file


async def _with_manifest(
    entries: AsyncIterator[ZipEntry], manifest: Manifest, now: datetime
) -> AsyncIterator[ZipEntry]:
    """Put the manifest last, because it depends on everything before it."""
    async for entry in entries:
        yield entry
    manifest.seal()
    yield ZipEntry(records.NAME, manifest.size, now, compress=True, body=manifest.body)


def _there(manifest: Manifest, file: File | ProjectFile, name: str) -> StoredFile | None:
    """The file as an entry. None if its bytes are known to be damaged, which does not end the export."""
    try:
        return stored_file(name, file)
    except ObjectLost as error:
        _lost(manifest, name, file.size_bytes, None, error)
        return None


def _tell(manifest: Manifest, entry: ZipEntry, kept: int | None, error: Exception) -> None:
    _lost(manifest, entry.name, entry.size, kept, error)


def _lost(manifest: Manifest, name: str, size: int, kept: int | None, error: Exception) -> None:
    """Record a file that is not completely in the archive.

    ``archived``: its restore from an archive class was requested, so a later export has it.
    """
    reason = "not as long as it was stored" if isinstance(error, BodySizeChanged) else str(error)
    record = {"name": name, "size_bytes": size, "kept_bytes": kept, "reason": reason}
    manifest.lost({**record, "archived": isinstance(error, ObjectArchived)})


def _name_of(file: File) -> str:
    name = fit(file.filename) or fit(file.key.rpartition("/")[2]) or "file"
    return f"files/{family_name(file.family)}/{file.id}/{name}"
