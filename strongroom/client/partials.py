"""Downloads in progress: a partial file beside the destination, which a later attempt finds again.

``photo.jpg`` is written as ``.photo.jpg.{digest of its identity}.part`` and renamed when complete: readers of
``photo.jpg`` see the old content or the new one. The digest covers file id, ETag and version, so bytes of two
contents are never joined.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import IO

import google_crc32c

from strongroom.client.local_files import naming

try:
    import fcntl as locks
except ImportError:  # Windows: partial files are not shared, so each attempt gets its own
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

SUFFIX = ".part"
DIGEST = re.compile(r"[0-9a-f]{16}")
READ_BYTES = 1024 * 1024
#: File systems allow 255 bytes per name.
MAX_STEM_BYTES = 180


class PartialFile:
    """An open partial file, locked against other processes. All methods block, so call them in a thread."""

    def __init__(self, path: Path, file: IO[bytes], destination: Path) -> None:
        self.path = path
        self._file = file
        self._destination = destination
        self.size = 0
        self.crc32c = 0

    @classmethod
    def open(cls, destination: Path, identity: str) -> PartialFile:
        """Return the partial file of ``identity`` with its content so far; a new one if there is none or it
        is in use.

        :raises OSError: the folder can't be written to.
        """
        path = destination.with_name(f"{_stem(destination)}{_digest(identity)}{SUFFIX}")
        with naming(destination):
            while (file := _open_locked(path)) is None:
                path = destination.with_name(f"{_stem(destination)}{secrets.token_hex(8)}{SUFFIX}")
        partial = cls(path, file, destination)
        try:
            partial._measure()
        except BaseException:
            file.close()
            raise
        return partial

    def _measure(self) -> None:
        while block := self._file.read(READ_BYTES):
            self.crc32c = google_crc32c.extend(self.crc32c, block)
            self.size += len(block)

    def write(self, blocks: Iterable[bytes]) -> None:
        """Append the blocks.

        :raises OSError: for example, the disk is full.
        """
        with naming(self._destination):
            for block in blocks:
                self._file.write(block)
                self.crc32c = google_crc32c.extend(self.crc32c, block)
                self.size += len(block)

    def restart(self) -> None:
        """Discard the content."""
        self._file.seek(0)
        self._file.truncate()
        self.size = self.crc32c = 0

    def finish(self) -> None:
        """Move it to the destination, atomically and durably."""
        with naming(self._destination):
            self._file.flush()
            os.fsync(self._file.fileno())
            self.path.replace(self._destination)
        self._file.close()

    def leave(self, *, keep: bool) -> None:
        """Close it unfinished. ``keep``: keep its content for a later attempt. Has no effect after
        ``finish``.
        """
        if self._file.closed:
            return
        if not keep or self.size == 0:
            self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # buffered bytes for a full disk; write has reported that
            self._file.close()


def remove_leftovers(destination: Path) -> None:
    """Remove partial files of other contents that no process is writing, after ``destination`` was
    completed.
    """
    stem = _stem(destination)
    for path in destination.parent.iterdir():
        middle = path.name.removeprefix(stem).removesuffix(SUFFIX)
        if path.name == f"{stem}{middle}{SUFFIX}" and DIGEST.fullmatch(middle):
            file = _open_locked(path)
            if file is not None:
                path.unlink(missing_ok=True)
                file.close()


def _stem(destination: Path) -> str:
    name = os.fsencode(destination.name)[:MAX_STEM_BYTES]
    return f".{os.fsdecode(name)}."


def _digest(identity: str) -> str:
    return sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _open_locked(path: Path) -> IO[bytes] | None:
    """Return the file, created if necessary and locked; None if another process has it or has just moved it
    away.
    """
    if not HAS_LOCKS:
        return None if path.exists() else path.open("x+b")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    file = os.fdopen(descriptor, "r+b")
    try:
        locks.flock(descriptor, locks.LOCK_EX | locks.LOCK_NB)
        # The locked file may have been renamed to its destination meanwhile.
        ours = os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        ours = False
    if not ours:
        file.close()
        return None
    return file
