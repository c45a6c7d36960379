"""Which values are accepted as a source, and which sources can be read twice."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest

from strongroom.client.sources import Source, as_source

DATA = b"0123456789" * 150_000


class AsyncFile:
    """A file like those of aiofiles."""

    def __init__(self) -> None:
        self._file = io.BytesIO(DATA)

    async def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 70_000))


class Pipe(io.RawIOBase):
    """A file object that can't seek, and reads short."""

    def __init__(self) -> None:
        self._rest = DATA

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        piece, self._rest = self._rest[:50_000], self._rest[50_000:]
        piece, self._rest = piece[: len(view)], piece[len(view) :] + self._rest
        view[: len(piece)] = piece
        return len(piece)


def generator() -> Iterator[bytes]:
    for start in range(0, len(DATA), 123_456):
        yield DATA[start : start + 123_456]


async def async_generator() -> AsyncGenerator[bytes]:
    for piece in generator():
        yield piece


def file_at_an_offset() -> io.BytesIO:
    file = io.BytesIO(b"skipped" + DATA)
    file.seek(7)
    return file


SOURCES: dict[str, tuple[Callable[[], object], bool, int | None]] = {
    "bytes": (lambda: DATA, True, len(DATA)),
    "bytearray": (lambda: bytearray(DATA), True, len(DATA)),
    "memoryview": (lambda: memoryview(DATA), True, len(DATA)),
    "seekable file": (file_at_an_offset, True, len(DATA)),
    "pipe": (Pipe, False, None),
    "async file": (AsyncFile, False, None),
    "list": (lambda: list(generator()), True, len(DATA)),
    "generator": (generator, True, None),  # a function: made anew
    "running generator": (lambda: generator(), False, None),
    "async generator": (async_generator, True, None),
    "running async generator": (lambda: async_generator(), False, None),
    "function that opens": (lambda: lambda: io.BytesIO(DATA), True, None),
}


async def read(source: Source) -> bytes:
    blocks = [block async for block in source.blocks()]
    assert all(0 < len(block) <= 1024 * 1024 for block in blocks)
    return b"".join(blocks)


@pytest.mark.parametrize("kind", SOURCES)
async def test_every_kind_gives_its_bytes_again_if_it_says_so(kind: str) -> None:
    make, repeatable, size = SOURCES[kind]
    given = make if kind in {"generator", "async generator"} else make()
    source = as_source(given)
    assert (source.repeatable, source.size) == (repeatable, size)
    assert await read(source) == DATA
    if repeatable:
        assert await read(source) == DATA


async def test_a_path_knows_its_size_and_name(tmp_path: Path) -> None:
    path = tmp_path / "ünïcode.bin"
    path.write_bytes(DATA)
    for given in (path, str(path)):
        source = as_source(given)
        assert (source.filename, source.size, source.repeatable) == ("ünïcode.bin", len(DATA), True)
        assert await read(source) == await read(source) == DATA


async def test_a_name_that_is_not_unicode_is_made_so(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_bytes(b"x")
    assert as_source(path).filename == "caf�.txt"


async def test_an_open_file_gives_its_name_and_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    with (tmp_path / "a.bin").open("rb") as file:
        source = as_source(file)
        assert source.filename == "a.bin"
        assert await read(source) == DATA
        assert not file.closed


async def test_what_a_function_opened_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    opened: list[io.BufferedReader] = []

    def make() -> io.BufferedReader:
        opened.append((tmp_path / "a.bin").open("rb"))
        return opened[-1]

    assert await read(as_source(make)) == DATA
    assert [file.closed for file in opened] == [True]


async def test_a_named_pipe_is_read_once_without_a_size(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = as_source(path)
    assert (source.repeatable, source.size) == (False, None)


async def test_files_that_lie_about_their_size_are_read_to_the_end() -> None:
    source = as_source("/proc/self/status")
    assert source.size is None
    assert b"Name:" in await read(source)


def test_what_is_missing_or_a_folder_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        as_source(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="one by one"):
        as_source(tmp_path)


def test_what_is_no_source_is_refused_with_what_would_be() -> None:
    with pytest.raises(TypeError, match="give a path, bytes"):
        as_source(3)
    with pytest.raises(TypeError, match="text mode"):
        as_source(io.StringIO("text"))
