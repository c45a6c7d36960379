"""A download on its way to its place: a partial file beside it, found again by a later attempt.

``photo.jpg`` grows as ``.photo.jpg.{digest of what is read}.part`` and is renamed when it is whole: a reader
of ``photo.jpg`` sees the old content or the new one. The digest covers file id, ETag and version, so bytes of
two contents are never joined.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

import google_crc32c

try:
    import fcntl as locks
except ImportError:  # Windows: partial files are not shared, so each attempt gets its own
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

SUFFIX = ".part"
DIGEST = re.compile(r"[0-9a-f]{16}")
READ_BYTES = 1024 * 1024
#: File systems end at 255 bytes a name.
MAX_STEM_BYTES = 180


class PartialFile:
    """An open partial file, locked against other processes. All methods block: call them in a thread."""

    def __init__(self, path: Path, file: IO[bytes], destination: Path) -> None:
        self.path = path
        self._file = file
        self._destination = destination
        self.size = 0
        self.crc32c = 0

    @classmethod
    def open(cls, destination: Path, identity: str) -> PartialFile:
        """The partial file of ``identity`` with what it already holds; a new one when there is none or it is
        in use.

        :raises OSError: when the folder can't be written to.
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
        """Append.

        :raises OSError: when the disk is full, say.
        """
        with naming(self._destination):
            for block in blocks:
                self._file.write(block)
                self.crc32c = google_crc32c.extend(self.crc32c, block)
                self.size += len(block)

    def restart(self) -> None:
        """Forget what is there."""
        self._file.seek(0)
        self._file.truncate()
        self.size = self.crc32c = 0

    def finish(self) -> None:
        """Put it in its place, in one step and durably."""
        with naming(self._destination):
            self._file.flush()
            os.fsync(self._file.fileno())
            self.path.replace(self._destination)
        self._file.close()

    def leave(self, *, keep: bool) -> None:
        """Close it unfinished; ``keep`` leaves what it holds for a later attempt. Nothing after
        ``finish``.
        """
        if self._file.closed:
            return
        if not keep or self.size == 0:
            self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what is still buffered for a full disk: told by write already
            self._file.close()


def remove_leftovers(destination: Path) -> None:
    """Remove partial files of other contents that nobody is writing; ``destination`` has just been
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


@contextlib.contextmanager
def naming(destination: Path) -> Iterator[None]:
    """What fails inside names the path that the caller gave: the partial file is ours, nobody knows it.

    :raises OSError: as inside, with another ``filename``.
    """
    try:
        yield
    except OSError as error:
        missing = error.errno == errno.ENOENT and not destination.parent.exists()
        named = destination.parent if missing else destination
        raise type(error)(error.errno, error.strerror, str(named)) from error


def _stem(destination: Path) -> str:
    name = os.fsencode(destination.name)[:MAX_STEM_BYTES]
    return f".{os.fsdecode(name)}."


def _digest(identity: str) -> str:
    return sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _open_locked(path: Path) -> IO[bytes] | None:
    """The file, created if need be and locked; None when somebody else has it or has just moved it away."""
    if not HAS_LOCKS:
        return None if path.exists() else path.open("x+b")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    file = os.fdopen(descriptor, "r+b")
    try:
        locks.flock(descriptor, locks.LOCK_EX | locks.LOCK_NB)
        # The lock may have been got on a file that was renamed into its place meanwhile.
        ours = os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        ours = False
    if not ours:
        file.close()
        return None
    return file
