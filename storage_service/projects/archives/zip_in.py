"""Reads a ZIP that is stored somewhere: by ranges, front to back, one file at a time.

Everything the central directory tells is checked before the first file is read, the rest as the files go
by; nothing may be kept of an archive before ``files`` has come to its end. Memory: the central directory
(at most ``MAX_DIRECTORY_BYTES``), one segment of the archive and one file, packed and unpacked.
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
"""How many times larger the whole content may be than the archive; harmless while it is small."""
HARMLESS_BYTES = 10 << 20


class RangeReader(Protocol):
    """Where the archive is."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, which exist."""
        ...


class EntryLimits(Protocol):
    """Refuses what is too much, in the words of whoever wants the files."""

    def check(self, *, files: int, largest: int, total: int) -> None:
        """Raises when there are too many files or bytes (of the largest file, of all of them)."""
        ...


@dataclass(slots=True)
class ZippedFile:
    """One file: its path in NFC, its size, and ``read``, to be awaited once, before the next file is asked
    for. ``executable``: None where the archive tells no access rights.
    """

    path: str
    size: int
    executable: bool | None
    read: Callable[[], Awaitable[bytes]]


class DirectoryThread:
    """Checks central directories: one after the other, because the interpreter runs one thread at a time
    anyway, and one of as many entries as there may be takes a second. One per process.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def checked(self, raw: bytes, place: DirectoryPlace) -> list[CentralEntry]:
        """All entries. Raises ArchiveInvalid. A cancelled caller keeps its turn until the thread ends."""
        async with self._turn:
            return await run_in_thread(partial(_checked, raw, place))


def _checked(raw: bytes, place: DirectoryPlace) -> list[CentralEntry]:
    entries = list(_politely(read_directory(raw, place)))
    check_unique((entry.path, entry.is_folder) for entry in _politely(entries))
    return entries


T = TypeVar("T")

#: So many entries take a quarter of a millisecond.
_POLITE_ENTRIES = 16


def _politely(entries: Iterable[T]) -> Iterator[T]:
    """``entries``, letting other threads have the interpreter between them: the event loop would have to wait
    its switching interval, 5 ms, at each of its turns.
    """
    for number, entry in enumerate(entries):
        if not number % _POLITE_ENTRIES:
            time.sleep(0)
        yield entry


class ZipReader:
    """One archive. ``open`` it, then iterate ``files`` once and read each. ``directories``: the process's."""

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
        """Each file, in the order of the archive's bytes; ends only when everything fits. Raises
        ArchiveInvalid.
        """
        if not self._entries and self._end:
            raise refused("gap_before_entries", "something stands before the central directory")
        ends = [*(entry.offset for entry in self._entries[1:]), self._end]
        for entry, end in zip(self._entries, ends, strict=bool(self._entries)):
            if self._position != entry.offset:
                raise refused("gap_before_entries", "something stands before the first entry", entry.name)
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
        """Two entries never share bytes, and all lie before the central directory; the exact fit shows
        later.
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
        # Packed, too, one is held in memory, and a stream of nothing may be as long as the archive. Deflate
        # makes what it can't pack longer by a thousandth at most.
        largest = max((max(one.size, one.packed - one.packed // 512) for one in self._entries), default=0)
        self._limits.check(files=max(len(sizes), folders), largest=largest, total=total)
        if total > HARMLESS_BYTES and total > MAX_RATIO * self._size:
            raise refused("ratio", f"the content is more than {MAX_RATIO} times as large as the archive")

    async def _read(self, length: int) -> bytes:
        """The next bytes, from a segment that is fetched as a whole: no connection waits while files are
        stored.
        """
        begin = self._position - self._segment_offset
        if begin + length > len(self._segment):
            if self._position + length > self._end:
                raise refused("overlap", "an entry reaches into the central directory")
            size = min(max(SEGMENT_BYTES, length), self._end - self._position)
            self._segment = await self._source.read(self._position, size)
            self._segment_offset, begin = self._position, 0
        self._position += length
        return self._segment[begin : begin + length]
