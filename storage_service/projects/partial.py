"""A partial save's other files: what is neither sent nor removed stays as the newest version has it."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence

from storage_service.projects.limits import ProjectLimits
from storage_service.projects.stream import shown
from storage_service.projects.tree_names import NameRefused, PathSet
from storage_service.projects.writer import NewFile
from strongroom.errors import FileNotFound, PathInvalid
from strongroom.metadata.v1.project_pb2 import ProjectFile


class OtherFiles:
    """The files of the newest version, less those that a partial save has spoken of.

    The save holds the project, so that its newest version stays the one that was listed.
    """

    def __init__(self, files: Sequence[ProjectFile] = ()) -> None:
        self._files = {file.path: file for file in files}
        self._sent = PathSet()
        self._count = self._total = 0

    @classmethod
    async def listed(cls, pages: AsyncIterator[tuple[int, Sequence[ProjectFile]]]) -> OtherFiles:
        """From all pages of a version."""
        return cls([file async for _, files in pages for file in files])

    def sent(self, path: str, size: int) -> None:
        """The save brings a file; ``stream`` has checked its path, and against the others that came."""
        path = unicodedata.normalize("NFC", path)
        self._files.pop(path, None)
        self._sent.add(path)
        self._count += 1
        self._total += size

    def remove(self, path: str) -> None:
        """Raises FileNotFound."""
        if self._files.pop(unicodedata.normalize("NFC", path), None) is None:
            raise FileNotFound(
                f"The newest version has no file {shown(path)} that could be removed; nothing was saved."
            )

    def kept(self, limits: ProjectLimits) -> Iterator[NewFile]:
        """What stays. Raises PathInvalid (a new path clashes with one that stays), ProjectLimitExceeded."""
        sizes = [file.size_bytes for file in self._files.values()]
        limits.check(files=self._count + len(sizes), largest=0, total=self._total + sum(sizes))
        for path in self._files:
            self._check(path)
        for file in self._files.values():
            yield NewFile(file.path, "", file.size_bytes, file.sha256, executable=file.executable)

    def _check(self, path: str) -> None:
        try:
            self._sent.check(path)
        except NameRefused as error:
            raise PathInvalid(
                f"{shown(path)}, which stays: {error.message}. Remove it, or choose another name.",
                metadata={"path": shown(path), "rule": error.rule},
            ) from error
