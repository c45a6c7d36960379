"""Sources that can be read from any offset, and that detect changes of themselves."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strongroom.client.sources import sendable

#: Sources of a resumable upload: a path (also as text), bytes, or a seekable binary file object.
SeekableInput = str | os.PathLike[str] | bytes | bytearray | memoryview | io.IOBase | Any


class SourceChanged(OSError):
    """The source has changed since the upload began, so the upload can't be continued."""


class Seekable:
    """``size`` bytes, which any thread can read at any offset. Blocks: call it in a thread.

    ``path``: set if the file was opened here. Then its size and mtime are watched, and ``close`` closes it.
    """

    def __init__(self, file: Any, *, filename: str = "", path: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.path = path
        self.filename = filename
        self._start = int(file.tell())
        self.size = max(0, int(file.seek(0, io.SEEK_END)) - self._start)
        self._stamp = self._stamp_now()

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset`` on; fewer only at the end. Exceptions of the file are
        raised unchanged.
        """
        pieces: list[bytes] = []
        with self._lock:  # an abandoned reader may still be reading
            self._file.seek(self._start + offset)
            while length > 0 and (piece := self._file.read(length)):
                pieces.append(bytes(piece))
                length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def check(self) -> None:
        """Check that the source is unchanged.

        :raises SourceChanged: the path has another size or mtime, or there are bytes after the end.
        """
        if self._stamp_now() != self._stamp or self.read(self.size, 1):
            raise changed(self.path)

    def close(self) -> None:
        """Close a file that was opened here. A caller's file object stays open."""
        if self.path is not None:
            self._file.close()

    def _stamp_now(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def changed(path: Path | None) -> SourceChanged:
    """Return the error for a source that has changed."""
    name = "the source" if path is None else str(path)
    return SourceChanged(f"{name} was changed since the upload began; start a new upload of it")


def open_seekable(given: SeekableInput) -> Seekable:
    """Return the source for a path, bytes, or a seekable binary file object (from its current position).

    :raises OSError: the path can't be opened.
    :raises TypeError: the source can't seek; ``upload`` accepts it.
    """
    match given:
        case str() | os.PathLike():
            return _open_path(Path(given))
        case bytes() | bytearray() | memoryview():
            return Seekable(io.BytesIO(given))
        case io.TextIOBase():
            raise TypeError("the file is open in text mode; open it in binary mode ('rb')")
    if not _can_seek(given):
        kind = type(given).__name__
        raise TypeError(
            f"can't upload {kind} resumably: give a path, bytes, or a binary file object that can seek; "
            "upload() takes streams"
        )
    name = getattr(given, "name", "")
    shown = name if isinstance(name, str) and not name.startswith("<") else ""
    return Seekable(given, filename=sendable(Path(shown).name))


def _open_path(path: Path) -> Seekable:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory; upload its files one by one", str(path))
    if not stat.S_ISREG(mode):
        raise TypeError(f"{path} is not a regular file, so it can't be read a second time; upload() takes it")
    file = path.open("rb", buffering=0)
    try:
        return Seekable(file, filename=sendable(path.name), path=path)
    except BaseException:
        file.close()
        raise


def _can_seek(given: Any) -> bool:
    try:
        return bool(given.seekable()) and callable(given.read)
    except (AttributeError, ValueError):  # not a file, or a closed one
        return False
