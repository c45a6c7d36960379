"""Files below a folder of this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from strongroom.client.project_trees import DEFAULT_IGNORE, Ignore
from strongroom.migrate.entries import Entry
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceGone
from strongroom.migrate.reading import tree_digest, tree_of
from strongroom.migrate.sources.local import look_at, read_file, remove_file, stamp_of
from strongroom.migrate.sources.source import Found, Source
from strongroom.path_rules import as_stored


class Directory(Source):
    """A folder. ``depth``: each folder that many levels down is one project; None: single files.

    Links are reported and not followed: they may lead out of the folder, or in circles.
    """

    def __init__(self, root: Path, depth: int | None = None) -> None:
        if not root.is_dir():
            raise PlanProblem(f"{root} is not a folder")
        self._root = root
        self._depth = depth

    def described(self) -> dict[str, Any]:
        """Return kind, folder and depth."""
        return {"kind": "directory", "root": str(self._root.resolve()), "depth": self._depth}

    def find(self) -> Iterator[Found]:
        """Yield the files in the order of names, folder by folder."""
        yield from self._below(self._root, "", 0)

    def _below(self, folder: Path, prefix: str, depth: int) -> Iterator[Found]:
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            shown = readable(prefix or "./")
            yield Found(shown, shown, why=f"the folder can't be read: {error.strerror}")
            return
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if self._depth == depth + 1:
                    yield self._project(Path(entry.path), path)
                else:
                    yield from self._below(Path(entry.path), path + "/", depth + 1)
            else:
                yield self._file(Path(entry.path), path)

    def _file(self, local: Path, path: str) -> Found:
        shown = readable(path)
        if shown != path:
            return Found(shown, shown, why="its name is not UTF-8; rename it")
        size, stamp, why = look_at(local)
        if self._depth is not None and not why:
            why = "it is in none of the projects"
        return Found(path, path, size, stamp, why=why)

    def _project(self, folder: Path, path: str) -> Found:
        """Return a project. Its stamp combines names, sizes and times of all files that would be saved."""
        shown = readable(path)
        if shown != path:
            return Found(shown, shown, why="its name is not UTF-8; rename it")
        try:
            size, count, stamp = self._looked_through(folder)
        except (OSError, ValueError) as error:
            return Found(f"{path}/", f"{path}/", why=f"it can't be read: {error}")
        return Found(f"{path}/", f"{path}/", size, stamp, details={"files": count})

    def _looked_through(self, folder: Path) -> tuple[int, int, str]:
        size, count, said = 0, 0, hashlib.sha256()
        for path, local in _files_of(folder):
            found = local.lstat()
            size, count = size + found.st_size, count + 1
            said.update(f"{path}\0{stamp_of(found)}\0".encode("utf-8", "surrogateescape"))
        return size, count, f"tree {said.hexdigest()[:32]}"

    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of one file."""
        return read_file(self._local(entry), entry)

    def is_at_hand(self, entry: Entry) -> bool:  # noqa: ARG002
        """Always true."""
        return True

    @contextmanager
    def folder(self, entry: Entry) -> Generator[Path]:
        """Yield the folder itself."""
        local = self._local(entry)
        if not local.is_dir():
            raise SourceGone
        if entry.stamp and self._looked_through(local)[2] != entry.stamp:
            raise SourceChanged
        yield local

    def remove(self, entry: Entry, sha256: bytes) -> None:
        """Delete one file, or the saved files of a project, after reading each once more.

        Folders that become empty are removed. Files that a save leaves out are kept.
        """
        if entry.family != "project":
            remove_file(self._local(entry), entry, sha256)
            return
        with self.folder(entry) as folder:
            files = tree_of(folder)
            if tree_digest(files) != sha256:
                raise SourceChanged
            for path, local in list(_files_of(folder)):
                remove_file(local, entry, files[as_stored(path)])
            for inner, _, _ in list(os.walk(folder, topdown=False)):
                with suppress(OSError):  # not empty
                    Path(inner).rmdir()

    def _local(self, entry: Entry) -> Path:
        """Return the local path. Nothing outside of the folder is ever read, even if the plan was edited.

        :raises PlanProblem: it would lead out of the folder, possibly through a link.
        """
        parts = entry.reference.rstrip("/").split("/")
        if entry.reference.startswith("/") or {"", ".", ".."} & set(parts) or "\0" in entry.reference:
            raise PlanProblem(f"{entry.reference!r} is no path below {self._root}")
        parent = self._root
        for part in parts[:-1]:
            parent = parent / part
            if parent.is_symlink():
                raise PlanProblem(f"{entry.reference!r} leads through a link, {part}")
        return parent / parts[-1]


def _files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files that a save would include; see ``read_tree``."""
    ignore, waiting = Ignore(DEFAULT_IGNORE), [(folder, "")]
    while waiting:
        where, prefix = waiting.pop()
        with os.scandir(where) as scanned:
            entries = sorted(scanned, key=lambda entry: os.fsencode(entry.name))
        for entry in entries:
            path, is_folder = prefix + entry.name, entry.is_dir(follow_symlinks=False)
            if ignore.leaves_out(path, folder=is_folder):
                continue
            if is_folder:
                waiting.append((Path(entry.path), path + "/"))
            elif entry.is_file(follow_symlinks=False):
                yield path, Path(entry.path)


def readable(path: str) -> str:
    """Return a path of the file system as text; bytes that are not UTF-8 become a backslash, x and two
    digits.
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")
