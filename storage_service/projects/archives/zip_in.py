"""Reads a stored ZIP by ranges, front to back, one file at a time.

The central directory is checked completely before the first file is read, the other records as they are read.
So no file of an archive may be kept before ``files`` has ended. Memory: the central directory (at most
``MAX_DIRECTORY_BYTES``), one segment of the archive, and one file, packed and unpacked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from servicekit.threads import run_in_thread
from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.zip_directory import (
    TAIL_BYTES,
    CentralEntry,
    DirectoryPlace,
    find_directory,
    read_directory,
)
from storage_service.projects.archives.zip_entries import read_content, read_descriptor, read_local_header
from storage_service.projects.archives.zip_layout import refused
from storage_service.projects.archives.zip_names import check_unique

MAX_DIRECTORY_BYTES = 8 << 20
SEGMENT_BYTES = 4 << 20
MAX_RATIO = 200
"""The largest allowed ratio of content to archive. It is not checked while the content is small."""
HARMLESS_BYTES = 10 << 20


class RangeReader(Protocol):
    """Reads the archive."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, which must exist."""
        ...


class EntryLimits(Protocol):
    """Refuses too many or too large files, with an error of the use case."""

    def check(self, *, files: int, largest: int, total: int) -> None:
        """Raises if there are too many files or bytes (of the largest file, or in total)."""
        ...


@dataclass(slots=True)
class ZippedFile:
    """One file: its path in NFC, its size, and ``read``, to be awaited once before the next file is
    requested.

    ``executable``: None if the archive has no access rights.
    """

    path: str
    size: int
    executable: bool | None
    read: Callable[[], Awaitable[bytes]]


class DirectoryThread:
    """Checks central directories in a thread, one after the other. One instance per process.

    The interpreter runs one thread at a time anyway, and the largest directory takes a second.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def checked(self, raw: bytes, place: DirectoryPlace) -> list[CentralEntry]:
        """All entries. Raises ArchiveInvalid. A cancelled caller keeps its turn until the thread has
        finished.
        """
        async with self._turn:
            return await run_in_thread(partial(_checked, raw, place))


def _checked(raw: bytes, place: DirectoryPlace) -> list[CentralEntry]:
    entries = list(_politely(read_directory(raw, place)))
    check_unique((entry.path, entry.is_folder) for entry in _politely(entries))
    return entries


T = TypeVar("T")

#: Entries checked between two pauses; they take a quarter of a millisecond.
_POLITE_ENTRIES = 16


def _politely(entries: Iterable[T]) -> Iterator[T]:
    """Yield ``entries``, and let other threads run in between.

    Otherwise the event loop would wait for the interpreter's switch interval, 5 ms, in each of its turns.
    """
    for number, entry in enumerate(entries):
        if not number % _POLITE_ENTRIES:
            time.sleep(0)
        yield entry


class ZipReader:
    """One archive: ``open`` it, then iterate ``files`` once and read each. ``directories``: shared by the
    process.
    """

    def __init__(
        self, source: RangeReader, size: int, limits: EntryLimits, directories: DirectoryThread | None = None
    ) -> None:
        self._directories = directories or DirectoryThread()
        self._source = source
        self._size = size
        self._limits = limits
        self._end = 0
        self._entries: list[CentralEntry] = []
        self._segment = b""
        self._segment_offset = 0
        self._position = 0

    async def open(self) -> None:
        """Read and check the central directory.

        Raises ArchiveInvalid {rule, entry}, and what the limits raise.
        """
        if self._size < layout.END.size:
            raise refused("no_end_record", "this is not a ZIP, or its end is missing")
        tail_size = min(TAIL_BYTES, self._size)
        tail = await self._source.read(self._size - tail_size, tail_size)
        place = find_directory(tail, self._size)
        if place.size > MAX_DIRECTORY_BYTES:
            raise refused(
                "directory_size", f"the central directory has more than {MAX_DIRECTORY_BYTES} bytes"
            )
        self._limits.check(files=(place.entries + 1) // 2, largest=0, total=0)  # as many folders as files
        raw = await self._source.read(place.offset, place.size) if place.size else b""
        entries = await self._directories.checked(raw, place)
        self._entries = sorted(entries, key=lambda entry: entry.offset)
        self._end = place.offset
        self._check_places()
        self._check_amounts()

    async def files(self) -> AsyncIterator[ZippedFile]:
        """Each file, in the order of the archive's bytes. Ends only if everything is valid. Raises
        ArchiveInvalid.
        """
        if not self._entries and self._end:
            raise refused("gap_before_entries", "there is data before the central directory")
        ends = [*(entry.offset for entry in self._entries[1:]), self._end]
        for entry, end in zip(self._entries, ends, strict=bool(self._entries)):
            if self._position != entry.offset:
                raise refused("gap_before_entries", "there is data before the first entry", entry.name)
            header = await read_local_header(self._read, entry)
            room = end - entry.offset - header - entry.packed
            if room < 0:
                raise refused("overlap", "the entry reaches into the next one", entry.name)
            if entry.is_folder:
                await read_content(self._read, entry)
            else:
                yield ZippedFile(
                    entry.path, entry.size, entry.executable, partial(read_content, self._read, entry)
                )
            await read_descriptor(self._read, entry, room)

    def _check_places(self) -> None:
        """Check that entries don't overlap and end before the central directory; exact fit is checked while
        reading.
        """
        position = 0
        for entry in self._entries:
            if entry.offset < position:
                raise refused("overlap", "two entries share their bytes", entry.name)
            position = entry.offset + layout.LOCAL.size + len(entry.name) + entry.packed
        if position > self._end:
            raise refused("overlap", "the entries reach into the central directory")

    def _check_amounts(self) -> None:
        sizes = [entry.size for entry in self._entries if not entry.is_folder]
        folders = len(self._entries) - len(sizes)
        total = sum(sizes)
        # A packed file, too, is held in memory, and could be as long as the archive although it contains
        # nothing. Deflate expands what it can't compress by a thousandth at most.
        largest = max((max(one.size, one.packed - one.packed // 512) for one in self._entries), default=0)
        self._limits.check(files=max(len(sizes), folders), largest=largest, total=total)
        if total > HARMLESS_BYTES and total > MAX_RATIO * self._size:
            raise refused("ratio", f"the content is more than {MAX_RATIO} times as large as the archive")

    async def _read(self, length: int) -> bytes:
        """The next bytes, from a segment fetched as a whole: no connection waits while files are stored."""
        begin = self._position - self._segment_offset
        if begin + length > len(self._segment):
            if self._position + length > self._end:
                raise refused("overlap", "an entry reaches into the central directory")
            size = min(max(SEGMENT_BYTES, length), self._end - self._position)
            self._segment = await self._source.read(self._position, size)
            self._segment_offset, begin = self._position, 0
        self._position += length
        return self._segment[begin : begin + length]
