"""Writes a version of a project into a local folder, file by file or as a ZIP."""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from strongroom import errors
from strongroom.client.connection import Connection
from strongroom.client.downloads import Download
from strongroom.client.local_files import in_worker, replacing
from strongroom.client.project_trees import HAS_MODES, digest
from strongroom.client.project_values import ProjectFile
from strongroom.client.uploads import Progress
from strongroom.storage.v1 import download_pb2
from strongroom.task_groups import side_by_side

#: Downloads at a time.
PARALLEL = 8


class Restore:
    """One restore of ``files``, which belong to one version."""

    def __init__(
        self,
        connection: Connection,
        name: download_pb2.ProjectVersionName,
        user_id: str,
        *,
        on_progress: Progress | None,
    ) -> None:
        self._connection = connection
        self._name = name
        self._user_id = user_id
        self._on_progress = on_progress
        self._done = 0
        self._total = 0

    async def into(
        self, directory: Path, files: Sequence[ProjectFile], *, overwrite: bool
    ) -> tuple[str, ...]:
        """Write the files that are missing or differ, and return their paths. Other files in the folder are
        kept.

        :raises FileExistsError: a file differs and ``overwrite`` is off; nothing was written.
        :raises PathInvalid: a path leads out of the folder, possibly through a link in it.
        """
        places = await in_worker(places_of, directory, files)
        wanted = await in_worker(differing, places, overwrite)
        there = {file.path for file, _ in wanted}
        await in_worker(set_modes, [pair for pair in places if pair[0].path not in there])
        self._total = sum(file.size for file, _ in wanted)
        await side_by_side(wanted, PARALLEL, lambda pair: self._fetch(*pair))
        return tuple(file.path for file, _ in wanted)

    async def _fetch(self, file: ProjectFile, place: Path) -> None:
        await in_worker(lambda: place.parent.mkdir(parents=True, exist_ok=True))
        name = download_pb2.ProjectFileName(slug=self._name.slug, version=self._name.version, path=file.path)
        request = download_pb2.DownloadRequest(project_file=name, user_id=self._user_id)
        sha256 = hashlib.sha256()
        async with replacing(place) as local:
            async with aclosing(Download(self._connection, request, None).blocks()) as blocks:
                async for block in blocks:
                    await in_worker(local.write, block)
                    sha256.update(block)
                    self._report(len(block))
            if sha256.digest() != file.sha256:
                raise _damaged(file.path, file.sha256)
        await in_worker(set_modes, [(file, place)])

    def _report(self, size: int) -> None:
        self._done += size
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)


async def read_file(
    connection: Connection, name: download_pb2.ProjectFileName, user_id: str, timeout: float | None
) -> bytes:
    """The bytes of one file of a version.

    :raises StrongroomError: ProjectNotFound, VersionNotFound, FileNotFound, ChecksumMismatch …
    """
    download = Download(connection, download_pb2.DownloadRequest(project_file=name, user_id=user_id), timeout)
    async with aclosing(download.blocks()) as blocks:
        content = b"".join([block async for block in blocks])
    stored = download.header.project_file.sha256 if download.header is not None else b""
    if hashlib.sha256(content).digest() != stored:
        raise _damaged(name.path, stored)
    return content


def _damaged(path: str, sha256: bytes) -> errors.ChecksumMismatch:
    return errors.ChecksumMismatch(
        f"what was received of {path} is not what was saved (SHA-256 differs); try again",
        metadata={"algorithm": "sha256", "expected": sha256.hex()},
    )


def places_of(directory: Path, files: Sequence[ProjectFile]) -> list[tuple[ProjectFile, Path]]:
    """Return the local path of each file, which is inside of ``directory`` even if that contains links."""
    directory.mkdir(parents=True, exist_ok=True)
    root = directory.resolve()
    places: list[tuple[ProjectFile, Path]] = []
    for file in files:
        place = root / file.path
        segments = file.path.split("/")
        if {"", ".", ".."} & set(segments) or not place.parent.resolve().is_relative_to(root):
            raise errors.PathInvalid(
                f"{file.path} leads out of {directory}; remove the link there, or restore elsewhere",
                metadata={"path": ascii(file.path)[1:-1], "rule": "inside_folder"},
            )
        places.append((file, place))
    return places


def differing(places: Sequence[tuple[ProjectFile, Path]], overwrite: bool) -> list[tuple[ProjectFile, Path]]:
    """Return the files that are missing or differ. Raises FileExistsError unless ``overwrite``."""
    found: list[tuple[ProjectFile, Path]] = []
    for file, place in places:
        there = place.is_symlink() or place.exists()
        if there and not place.is_symlink() and place.is_file() and digest(place) == (file.size, file.sha256):
            continue
        if there and not overwrite:
            raise FileExistsError(
                errno.EEXIST, "is there with other content; nothing was restored", str(place)
            )
        found.append((file, place))
    return found


def set_modes(places: Sequence[tuple[ProjectFile, Path]]) -> None:
    """Make files executable, or not, for all users who may read them."""
    if not HAS_MODES:
        return
    for file, place in places:
        mode = stat.S_IMODE(place.stat().st_mode)
        wanted = mode | (mode & 0o444) >> 2 if file.executable else mode & ~0o111
        if wanted != mode:
            place.chmod(wanted)
