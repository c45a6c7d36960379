"""All that one has stored, as a folder: a run that breaks goes on, and every byte is compared."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import google_crc32c

from strongroom import errors
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.project_values import Project
from strongroom.client.uploads import Progress
from strongroom.path_rules import normal_path

MANIFEST: Final = "manifest.jsonl"
_FILES, _BY_ID, _PROJECTS = "files", "by-id", "projects"
_READ_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Exported:
    """What an export came to. ``fetched``: files that were not there yet; ``failed``: what is not here, and
    why: ``lost`` for good, ``archived`` until the store has brought it back, or for want of a place.
    """

    files: int = 0
    projects: int = 0
    fetched: int = 0
    bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    lost: int = 0
    archived: int = 0


class FolderExport:
    """Writes below ``root``: ``files/{key}`` (or ``by-id/{id}`` where this machine can't have such a name),
    ``projects/{slug}`` at their newest version, and the manifest, one JSON line for each of them.
    """

    def __init__(self, client: AsyncClient, root: Path, report: Progress, document: Any) -> None:
        self._client = client
        self._root = root
        self._report = report
        self._document = document
        self._lines: list[Mapping[str, Any]] = []
        self.outcome = Exported()

    async def run(self, jobs: int = 4) -> Exported:
        """Fetch what is not here yet. What is lost spoils nothing else."""
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
        waiting = self._client.list()
        asking = asyncio.Lock()

        async def worker() -> None:
            while (file := await _following(waiting, asking)) is not None:
                await self._told(file.key, self._file(file))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(jobs):
                    group.create_task(worker())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
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
            raise errors.ChecksumMismatch(f"{local} is not what is stored; was it changed meanwhile?")
        self.outcome.files += 1
        self.outcome.bytes += file.size
        where = local.relative_to(self._root).as_posix()
        self._lines.append({"kind": "file", "path": where, "sha256": sha256, **self._document(file)})

    def _looked_for(self, file: StoredFile) -> tuple[Path, bool]:
        """Where a file goes, and whether it is there with these bytes. Its place is taken at once, empty:
        another key may want a folder of this name.
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
                continue  # a name too long, or a folder where a file is
        raise FileExistsError(errno.EEXIST, "is already there, and is no file", str(local))

    def _named(self, file: StoredFile) -> Path | None:
        """None: its key can't be a path of this machine; nothing of a key leads out of the folder."""
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
        part = self._root / f".{MANIFEST}.part"
        with part.open("w", encoding="utf-8") as out:
            for line in sorted(self._lines, key=lambda line: str(line["path"])):
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(self._root / MANIFEST)


async def _following(waiting: AsyncIterator[StoredFile], asking: asyncio.Lock) -> StoredFile | None:
    async with asking:
        return await anext(waiting, None)


def _drop_empty(local: Path) -> None:
    if local.is_file() and local.stat().st_size == 0:
        local.unlink()


def _digests(local: Path) -> tuple[int, str]:
    """CRC-32C, and SHA-256 as hex."""
    crc, sha = 0, hashlib.sha256()
    with local.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            crc = google_crc32c.extend(crc, block)
            sha.update(block)
    return crc, sha.hexdigest()
