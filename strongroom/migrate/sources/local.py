"""Local files: inspected, read unless they have changed, removed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from strongroom.migrate.entries import Entry
from strongroom.migrate.problems import SourceChanged, SourceGone

READ_BYTES: Final = 1024 * 1024


def look_at(local: Path) -> tuple[int | None, str, str]:
    """Return size, stamp, and the reason why the file can't be moved (empty if it can)."""
    try:
        found = local.lstat()
    except (OSError, ValueError) as error:
        return None, "", f"it can't be read: {getattr(error, 'strerror', None) or error}"
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no regular file"
        return None, "", f"it is {kind}, which is not followed"
    why = "" if os.access(local, os.R_OK) else "it can't be read: Permission denied"
    return found.st_size, stamp_of(found), why


def stamp_of(found: os.stat_result) -> str:
    """Return a text that changes when the file changes."""
    return f"{found.st_size} {found.st_mtime_ns}"


def read_file(local: Path, entry: Entry) -> Iterator[bytes]:
    """Yield the file's bytes.

    :raises SourceGone: it doesn't exist. :raises SourceChanged: it differs from the plan, before or after
    reading.
    :raises OSError: it can't be read, or has become a link.
    """
    try:
        with open(local, "rb", buffering=0, opener=_without_links) as file:
            _same(entry, os.fstat(file.fileno()))
            while block := file.read(READ_BYTES):
                yield block
            _same(entry, os.fstat(file.fileno()))
            _same(entry, local.lstat())
    except FileNotFoundError:
        raise SourceGone from None


def remove_file(local: Path, entry: Entry, sha256: bytes) -> None:
    """Delete the file if it still has these bytes. Raises as ``read_file``."""
    digest = hashlib.sha256()
    for block in read_file(local, entry):
        digest.update(block)
    if digest.digest() != sha256:
        raise SourceChanged
    try:
        local.unlink()
    except FileNotFoundError:
        raise SourceGone from None


def _same(entry: Entry, found: os.stat_result) -> None:
    """Compare the stamps, except for a project, whose stamp covers all of its files."""
    if entry.stamp and entry.family != "project" and stamp_of(found) != entry.stamp:
        raise SourceChanged


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
