"""Sources that can be read from any byte on, and that tell when they are no longer what they were."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: What a resumable upload takes: a path (text is a path), bytes, or a binary file object that can seek.
SeekableInput = str | os.PathLike[str] | bytes | bytearray | memoryview | io.IOBase | Any


class SourceChanged(OSError):
    """The source has changed since the upload began, so the upload can't be continued."""


class Seekable:
    """``size`` bytes, read at any offset, by any thread. Blocks: call it in a thread.

    ``path``: set when we opened the file ourselves; then size and mtime are watched, and ``close`` closes it.
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
        """``length`` bytes from ``offset`` on; fewer only at the end. What the file raises comes through."""
        pieces: list[bytes] = []
        with self._lock:  # a reader that was given up may still be at work
            self._file.seek(self._start + offset)
            while length > 0 and (piece := self._file.read(length)):
                pieces.append(bytes(piece))
                length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def check(self) -> None:
        """Whether it is still what it was.

        :raises SourceChanged: when the path has another size or mtime, or there are bytes past the end.
        """
        if self._stamp_now() != self._stamp or self.read(self.size, 1):
            raise changed(self.path)

    def close(self) -> None:
        """Close what we opened; a file that a caller hands over stays open."""
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
    """The error for a source that changed."""
    name = "the source" if path is None else str(path)
    return SourceChanged(f"{name} was changed since the upload began; start a new upload of it")


def open_seekable(given: SeekableInput) -> Seekable:
    """The source for a path, bytes, or a seekable binary file object (from where it stands).

    :raises OSError: for a path that can't be opened.
    :raises TypeError: for what can't be read from the middle on; ``upload`` takes it.
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
    return Seekable(given, filename=_sendable(Path(shown).name))


def _open_path(path: Path) -> Seekable:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory; upload its files one by one", str(path))
    if not stat.S_ISREG(mode):
        raise TypeError(f"{path} is no regular file, so it can't be read a second time; upload() takes it")
    file = path.open("rb", buffering=0)
    try:
        return Seekable(file, filename=_sendable(path.name), path=path)
    except BaseException:
        file.close()
        raise


def _can_seek(given: Any) -> bool:
    try:
        return bool(given.seekable()) and callable(given.read)
    except (AttributeError, ValueError):  # no file; a closed one
        return False


def _sendable(name: str) -> str:
    """A name of the file system as Unicode; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
