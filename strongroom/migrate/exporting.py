"""Exports all files and projects of a user into a folder. An interrupted export continues; every byte is
compared.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import google_crc32c

from strongroom import errors
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.local_files import replacing_text
from strongroom.client.project_values import Project
from strongroom.client.uploads import Progress
from strongroom.path_rules import normal_path
from strongroom.task_groups import side_by_side

MANIFEST: Final = "manifest.jsonl"
_FILES, _BY_ID, _PROJECTS = "files", "by-id", "projects"
_READ_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Exported:
    """The result of an export.

    ``fetched``: files that were not in the folder before. ``failed``: name and reason of what is not in it.
    Of those, ``lost`` are gone for good, and ``archived`` have to be restored by the store first.
    """

    files: int = 0
    projects: int = 0
    fetched: int = 0
    bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    lost: int = 0
    archived: int = 0


class FolderExport:
    """Writes an export below ``root``.

    It contains ``files/{key}`` (or ``by-id/{id}`` if the key can't be a file name on this machine),
    ``projects/{slug}`` at their newest version, and the manifest with one JSON line for each.
    """

    def __init__(self, client: AsyncClient, root: Path, report: Progress, document: Any) -> None:
        self._client = client
        self._root = root
        self._report = report
        self._document = document
        self._lines: list[Mapping[str, Any]] = []
        self.outcome = Exported()

    async def run(self, jobs: int = 4) -> Exported:
        """Fetch what is not in the folder yet. A failure doesn't affect other files."""
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
        async with aclosing(self._client.list()) as files:
            await side_by_side(files, jobs, lambda file: self._told(file.key, self._file(file)))
        async for project in self._client.projects.list():
            await self._told(f"projects/{project.slug}", self._project(project))
        await asyncio.to_thread(self._write_manifest)
        return self.outcome

    async def _told(self, name: str, work: Any) -> None:
        try:
            await work
        except (errors.ObjectLost, errors.ObjectArchived, errors.ChecksumMismatch) as error:
            is_archived = isinstance(error, errors.ObjectArchived)
            self.outcome.lost += not is_archived
            self.outcome.archived += is_archived
            self.outcome.failed.append((name, error.message))
        except (errors.FileNotFound, errors.ProjectNotFound):
            return  # deleted since it was listed
        except OSError as error:
            self.outcome.failed.append((name, error.strerror or str(error)))
        self._report(self.outcome.bytes, None)

    async def _file(self, file: StoredFile) -> None:
        local, is_here = await asyncio.to_thread(self._looked_for, file)
        if not is_here:
            try:
                await self._client.download(file, local)
            except BaseException:
                _drop_empty(local)
                raise
            self.outcome.fetched += 1
        crc, sha256 = await asyncio.to_thread(_digests, local)
        if crc != file.crc32c:
            raise errors.ChecksumMismatch(f"{local} differs from what is stored; was it changed meanwhile?")
        self.outcome.files += 1
        self.outcome.bytes += file.size
        where = local.relative_to(self._root).as_posix()
        self._lines.append({"kind": "file", "path": where, "sha256": sha256, **self._document(file)})

    def _looked_for(self, file: StoredFile) -> tuple[Path, bool]:
        """Return the local path of a file, and whether it is there already with the same bytes.

        The path is created at once as an empty file, because another key may need a folder of that name.
        """
        for local in (self._named(file), self._root / _BY_ID / file.id):
            if local is None:
                continue
            try:
                local.parent.mkdir(parents=True, exist_ok=True)
                if not local.exists():
                    local.touch(exist_ok=False)
                    return local, False
                if (
                    local.is_file()
                    and local.stat().st_size == file.size
                    and _digests(local)[0] == file.crc32c
                ):
                    return local, True
                if local.is_file():
                    return local, False
            except OSError:
                continue  # the name is too long, or a folder has it
        raise FileExistsError(errno.EEXIST, "is already there, and is not a file", str(local))

    def _named(self, file: StoredFile) -> Path | None:
        """Return the path for a key, or None if the key can't be a path here. It is never outside of the
        folder.
        """
        try:
            path = normal_path(file.key)
        except errors.PathInvalid:
            return None
        return self._root / _FILES / path if path == file.key else None

    async def _project(self, project: Project) -> None:
        where = f"{_PROJECTS}/{project.slug}"
        restored = await self._client.projects.restore(
            project.slug, self._root / where, project.version, overwrite=True
        )
        self.outcome.projects += 1
        self.outcome.fetched += len(restored.written)
        self.outcome.bytes += project.size
        files = [
            {"path": file.path, "size": file.size, "sha256": file.sha256.hex()}
            async for file in self._client.projects.files(project.slug, project.version)
        ]
        line = {"kind": "project", "path": where, "slug": project.slug, "version": project.version}
        self._lines.append({**line, "name": project.name, "files": files})

    def _write_manifest(self) -> None:
        with replacing_text(self._root / MANIFEST) as out:
            for line in sorted(self._lines, key=lambda line: str(line["path"])):
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


def _drop_empty(local: Path) -> None:
    if local.is_file() and local.stat().st_size == 0:
        local.unlink()


def _digests(local: Path) -> tuple[int, str]:
    """Return the CRC-32C and the SHA-256 (hexadecimal) of a file."""
    crc, sha = 0, hashlib.sha256()
    with local.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            crc = google_crc32c.extend(crc, block)
            sha.update(block)
    return crc, sha.hexdigest()
