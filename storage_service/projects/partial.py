"""Partial saves: files that are neither sent nor removed stay as in the newest version.

The paths are checked here. metadata_service is told which paths to leave out, and keeps the others with one
statement for each part of the paths.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from storage_service.projects.limits import ProjectLimits
from storage_service.projects.stream import shown
from storage_service.projects.tree_names import NameRefused, PathSet
from strongroom.errors import FileNotFound, PathInvalid
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.project_save_service_pb2 import KeptFiles
from strongroom.path_rules import as_stored

KEPT_AT_ONCE = 1000
"""Paths in one part. Keeping them takes a transaction of some ten milliseconds."""


class OtherFiles:
    """The files of the newest version, without those that a partial save sends or removes.

    The save holds the project, so the listed version stays the newest.
    """

    def __init__(self, files: Sequence[ProjectFile] = ()) -> None:
        self._files = {file.path: file for file in files}
        self._left_out: set[str] = set()
        self._sent = PathSet()
        self._count = self._total = 0

    @classmethod
    async def listed(cls, pages: AsyncIterator[tuple[int, Sequence[ProjectFile]]]) -> OtherFiles:
        """Read all pages of a version."""
        return cls([file async for _, files in pages for file in files])

    def sent(self, path: str, size: int) -> None:
        """Note a file that the save sends; ``stream`` has checked its path, also against the others sent."""
        path = as_stored(path)
        self._leave_out(path)
        self._sent.add(path)
        self._count += 1
        self._total += size

    def remove(self, path: str) -> None:
        """Note a removed path. Raises FileNotFound."""
        if not self._leave_out(as_stored(path)):
            raise FileNotFound(
                f"The newest version has no file {shown(path)} that could be removed; nothing was saved."
            )

    def kept(self, limits: ProjectLimits) -> Sequence[str]:
        """The paths that stay. Raises PathInvalid (a new path clashes with one that stays),
        ProjectLimitExceeded.
        """
        sizes = [file.size_bytes for file in self._files.values()]
        limits.check(files=self._count + len(sizes), largest=0, total=self._total + sum(sizes))
        for path in self._files:
            self._check(path)
        return list(self._files)

    def parts(self) -> Iterator[tuple[KeptFiles, int]]:
        """The parts to keep, as metadata_service needs them, with the number of files in each."""
        paths, after = sorted([*self._files, *self._left_out]), ""
        for start in range(0, len(paths), KEPT_AT_ONCE):
            part = paths[start : start + KEPT_AT_ONCE]
            left_out = [path for path in part if path in self._left_out]
            if len(left_out) < len(part):
                yield KeptFiles(after=after, up_to=part[-1], left_out=left_out), len(part) - len(left_out)
            after = part[-1]

    def _leave_out(self, path: str) -> bool:
        """Leave out a path. Returns whether it was one that could stay."""
        if self._files.pop(path, None) is None:
            return False
        self._left_out.add(path)
        return True

    def _check(self, path: str) -> None:
        try:
            self._sent.check(path)
        except NameRefused as error:
            raise PathInvalid(
                f"{shown(path)}, which stays: {error.message}. Remove it, or choose another name.",
                metadata={"path": shown(path), "rule": error.rule},
            ) from error
