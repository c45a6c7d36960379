"""Sources of uploads, some of which can be read a second time."""

from __future__ import annotations

import errno
import inspect
import io
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

from strongroom.client.reading import BLOCK_BYTES, checked, cut, cut_async, cut_view, in_thread


class Readable(Protocol):
    """A binary file object. ``read`` may also be a coroutine function (aiofiles, anyio)."""

    def read(self, size: int = ..., /) -> Any:
        """Up to ``size`` bytes; empty at the end."""


Plain = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | Readable
    | AsyncIterable[bytes]
    | Iterable[bytes]
)
#: A path (also as text), bytes, a file object, an iterator of bytes, or a function that makes one of these
#: anew for each attempt.
UploadSource = Plain | Callable[[], Plain]


class Source(ABC):
    """Yields blocks of at most 1 MiB. ``size`` in bytes and ``filename``, if known.

    ``repeatable``: every ``blocks()`` begins at the first byte; otherwise only the first call does.
    ``owned``: the file was opened here and is closed here; a caller's file object stays open. Generators are
    always closed, because their position is unknown.
    """

    size: int | None = None
    filename: str = ""
    repeatable: bool = False
    owned: bool = False

    @property
    def small(self) -> bytes | None:
        """All bytes, if they are in memory and fit one block; else None."""
        return None

    @abstractmethod
    def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the blocks. Exceptions of reading are raised unchanged."""


class BytesSource(Source):
    """Bytes in memory."""

    repeatable = True

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = data
        self.size = memoryview(data).nbytes

    @property
    def small(self) -> bytes | None:
        """The bytes if they fit one block."""
        return bytes(self._data) if memoryview(self._data).nbytes <= BLOCK_BYTES else None

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield slices of the bytes."""
        for block in cut_view(self._data):
            yield block


class PathSource(Source):
    """A file of the file system. A pipe or device has no size and is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.filename = sendable(path.name)
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory; upload its files one by one", str(path))
        self.repeatable = stat.S_ISREG(found.st_mode)
        # Files of /proc and the like report a size of 0 but have content.
        self.size = found.st_size or None if self.repeatable else None

    def blocks(self) -> AsyncGenerator[bytes]:
        """Open the file and yield its content."""
        return in_thread(self._read)

    def _read(self) -> Iterator[bytes]:
        with self._path.open("rb", buffering=0) as file:
            yield from _file_blocks(file)


class FileSource(Source):
    """A caller's file object, read from its current position and not closed."""

    def __init__(self, file: Any) -> None:
        self._file = file
        name = getattr(file, "name", "")
        if isinstance(name, str) and not name.startswith("<"):
            self.filename = sendable(Path(name).name)
        self._start = _position(file)
        if self._start is not None:
            self.repeatable = True
            end = file.seek(0, io.SEEK_END)
            self.size = max(0, end - self._start) or None
            file.seek(self._start)

    def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the content from the position at which the file was passed."""
        return in_thread(self._read)

    def _read(self) -> Iterator[bytes]:
        try:
            if self._start is not None:
                self._file.seek(self._start)
            yield from _file_blocks(self._file)
        finally:
            if self.owned:
                self._file.close()


class AsyncFileSource(Source):
    """A file object with a coroutine ``read``; read once."""

    def __init__(self, file: Any) -> None:
        self._file = file

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the content from the current position."""
        try:
            async for block in cut_async(self._pieces()):
                yield block
        finally:
            if self.owned:
                await self._file.close()

    async def _pieces(self) -> AsyncIterator[object]:
        while piece := await self._file.read(BLOCK_BYTES):
            yield piece


class AsyncIterableSource(Source):
    """Pieces of any size; read once."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = pieces

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the pieces, cut into blocks."""
        try:
            async for block in cut_async(self._pieces):
                yield block
        finally:
            if isinstance(self._pieces, AsyncGenerator):
                await self._pieces.aclose()


class IterableSource(Source):
    """Pieces of any size, iterated in a thread. A list or tuple can be read again, anything else once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        if isinstance(pieces, list | tuple):
            self.repeatable = True
            self.size = sum(memoryview(checked(piece)).nbytes for piece in pieces)

    def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the pieces, cut into blocks."""
        return in_thread(self._read)

    def _read(self) -> Iterator[bytes]:
        try:
            yield from cut(self._pieces)
        finally:
            if isinstance(self._pieces, Generator):
                self._pieces.close()


class FactorySource(Source):
    """A function that makes a new source for each attempt."""

    repeatable = True

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the blocks of a new source, which is closed afterwards."""
        source = as_source(self._make())
        source.owned = True
        async with aclosing(source.blocks()) as blocks:
            async for block in blocks:
                yield block


def as_source(given: object) -> Source:
    """Return the source for a caller's argument, one of ``UploadSource``.

    :raises OSError: the path can't be examined.
    :raises TypeError: the argument is of no known kind, or is a file in text mode.
    """
    match given:
        case str() | os.PathLike():
            return PathSource(Path(given))
        case bytes() | bytearray() | memoryview():
            return BytesSource(given)
        case io.TextIOBase():
            raise TypeError("the file is open in text mode; open it in binary mode ('rb')")
    if hasattr(given, "read"):
        return AsyncFileSource(given) if inspect.iscoroutinefunction(given.read) else FileSource(given)
    if isinstance(given, AsyncIterable):
        return AsyncIterableSource(given)
    if isinstance(given, Iterable):
        return IterableSource(given)
    if callable(given):
        return FactorySource(given)
    kind = type(given).__name__
    raise TypeError(f"can't upload {kind}: give a path, bytes, a binary file object, or an iterator of bytes")


def sendable(name: str) -> str:
    """Return a name of the file system as Unicode; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def _position(file: Any) -> int | None:
    """Return the position of a seekable file; None if it can't be returned to."""
    try:
        return int(file.tell()) if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


def _file_blocks(file: Any) -> Iterator[bytes]:
    """Yield blocks of a blocking file object. Short reads (pipes, sockets) are joined."""
    return cut(iter(lambda: checked(file.read(BLOCK_BYTES)), b""))
