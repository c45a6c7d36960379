"""A local folder as a project: paths, sizes and SHA-256 of its files, without those that patterns leave out.
All functions block.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.client.arguments import expect, several
from strongroom.path_rules import as_stored

#: Left out of every version of a project by default. With ``ignore=()`` they are included.
DEFAULT_IGNORE: Final = (".git/", "node_modules/", "__pycache__/", ".venv/", ".DS_Store")
READ_BYTES = 1024 * 1024
HAS_MODES = os.name == "posix"
"""Whether the system has executable bits."""


class Ignore:
    """Patterns of files to leave out, as in .gitignore (https://git-scm.com/docs/gitignore): the last
    matching one decides. The content of a folder that is left out is not examined.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        from pathspec import GitIgnoreSpec  # noqa: PLC0415 - importing it takes a twentieth of a command's time

        lines = several("ignore", patterns)
        self._spec = GitIgnoreSpec.from_lines(pattern.rstrip("\r\n") for pattern in lines)

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether ``path`` (relative, with ``/``) is left out."""
        return self._spec.match_file(f"{path}/" if folder else path)


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file. ``path``: in the project, with ``/``, in NFC. ``local``: the file with the content, or the
    content itself.

    ``executable``: None if the system has no such bit.
    """

    path: str
    local: Path | bytes
    size: int
    sha256: bytes
    executable: bool | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """Files in path order. ``skipped``: links, pipes, devices."""

    files: tuple[TreeFile, ...]
    skipped: tuple[Path, ...]


def read_tree(root: Path, ignore: Ignore) -> Tree:
    """Read every file below ``root`` except those that ``ignore`` leaves out.

    Links are not followed: they may lead out of the tree, or in circles.

    :raises NotADirectoryError: ``root`` is not a folder. :raises OSError: something can't be read.
    :raises ValueError: a name is not UTF-8, or two names are equal in NFC.
    """
    if not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is not a folder", str(root))
    files: dict[str, TreeFile] = {}
    skipped: list[Path] = []
    for path, local in _walk(root, ignore):
        mode = local.lstat().st_mode
        if not stat.S_ISREG(mode):
            skipped.append(local)
            continue
        normal = _sendable(path, local)
        if normal in files:
            raise ValueError(f"{local} and another file have one name in NFC, {normal}; rename one of them")
        files[normal] = _read(normal, local, mode)
    return Tree(tuple(files[path] for path in sorted(files)), tuple(skipped))


def read_changes(changed: Mapping[str, str | os.PathLike[str] | bytes]) -> Tree:
    """Read the files that a partial save sends, given by path in the project as a local path or as content.

    :raises OSError: something can't be read. :raises ValueError: two paths are equal in NFC.
    :raises TypeError: it is no mapping.
    """
    expect(changed, Mapping, "the changed files are a mapping of paths to local paths or bytes")
    files: dict[str, TreeFile] = {}
    for path, source in changed.items():
        normal = as_stored(path)
        if normal in files:
            raise ValueError(f"{path!r} comes twice; in NFC it has one name")
        if isinstance(source, bytes):
            files[normal] = TreeFile(normal, source, len(source), hashlib.sha256(source).digest())
            continue
        local = Path(source)
        files[normal] = _read(normal, local, local.stat().st_mode)
    return Tree(tuple(files[path] for path in sorted(files)), ())


def _read(path: str, local: Path, mode: int) -> TreeFile:
    size, sha256 = digest(local)
    executable = bool(mode & stat.S_IXUSR) if HAS_MODES else None
    return TreeFile(path, local, size, sha256, executable)


def _walk(root: Path, ignore: Ignore) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder and its subfolders, without recursion."""
    waiting = [(root, "")]
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if ignore.leaves_out(path, folder=is_folder):
                continue
            if is_folder:
                waiting.append((Path(entry.path), path + "/"))
            else:
                yield path, Path(entry.path)


def _sendable(path: str, local: Path) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {os.fsencode(local)!r} is not UTF-8; rename it, or ignore it") from None
    return as_stored(path)


def digest(local: Path) -> tuple[int, bytes]:
    """Return size and SHA-256 of a file."""
    size, sha256 = 0, hashlib.sha256()
    with local.open("rb", buffering=0) as file:
        while block := file.read(READ_BYTES):
            size += len(block)
            sha256.update(block)
    return size, sha256.digest()


def blocks_of(file: TreeFile) -> Iterator[bytes]:
    """Yield the content, at most ``size`` bytes. A file that has shrunk ends early.

    Other changes are detected by the service, which verifies the SHA-256.
    """
    left = file.size
    if isinstance(file.local, bytes):
        for at in range(0, left, READ_BYTES):
            yield file.local[at : at + READ_BYTES]
        return
    with file.local.open("rb", buffering=0) as source:
        while left and (block := source.read(min(READ_BYTES, left))):
            left -= len(block)
            yield block
