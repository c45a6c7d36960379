"""Writes a ZIP as a stream, one entry at a time. Only the packed central directory is kept.

Smaller bodies are gathered first, so that their local header has the sizes and the checksum that streaming
readers want (Java's refuses a stored entry without them); a larger body is followed by a data descriptor.
Zip64 is used where a size or an offset needs it. Names are marked as UTF-8. The order is the caller's, and
the same entries give the same bytes.

Memory for each archive: one chunk and some 30 bytes for each entry. Gathered bodies (up to
``WHOLE_STORED_BYTES``) come from a budget of the process, and stay in memory until a slow reader has taken
them. Without budget a small body is written like a large one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from storage_service.attempts.budget import ByteBudget
from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.packing import Packing

WHOLE_BYTES = 1 << 20
"""Bodies up to this size are gathered and compressed in one call."""
WHOLE_STORED_BYTES = 10 << 20
"""Bodies up to this size are gathered if they are not compressed."""
OUTPUT_BYTES = 256 * 1024
"""Smaller pieces are joined up to this size."""
LEVEL = 6
_INLINE_BYTES = 16 * 1024
"""Up to this size compressing is faster than switching to a thread."""
_LARGEST_32 = layout.MAX32 - (1 << 24)
"""Larger bodies get Zip64: deflate may expand a body slightly."""
_REGULAR_FILE = 0o100644 << 16
_EXECUTABLE = 0o100755 << 16
_UNIX = 3 << 8
_DOS_EPOCH = datetime(1980, 1, 1, tzinfo=UTC)
_DOS_END = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file: its name in the archive (``/`` between folders), its exact size, and its bytes.

    ``compress``: compression may help; a small body that does not get smaller is stored. ``fetched``: its
    bytes are already in memory and in the budget.
    """

    name: str
    size: int
    modified: datetime
    compress: bool
    body: Callable[[], AsyncIterator[bytes]]
    executable: bool = False
    fetched: bool = False


Lost = Callable[[ZipEntry, int | None, Exception], None]
"""Called for an entry whose body can't be read: how much of it is in the archive (None: nothing, not even the
entry), and why.
"""


class BodySizeChanged(Exception):
    """A body's length differs from its entry's."""


@dataclass(slots=True)
class _Written:
    """The facts of an entry for the central directory."""

    entry: ZipEntry
    method: int
    flags: int
    crc32: int
    packed: int
    offset: int


class ZipStream:
    """One archive. Iterate ``chunks`` once.

    :param lost: called for bodies that fail with one of ``losses`` or have the wrong length, and the archive
        goes on. Without it they end the archive.
    :param memory: the budget for gathered bodies; None: without a budget.
    :param packing: compresses, in the turns of ``owner``.
    """

    def __init__(
        self,
        lost: Lost | None = None,
        losses: tuple[type[Exception], ...] = (),
        memory: ByteBudget | None = None,
        packing: Packing | None = None,
        owner: str = "",
    ) -> None:
        self._pack = partial((packing or Packing()).run, owner)
        self._lost = lost
        self._memory = memory
        self._losses: tuple[type[Exception], ...] = (*losses, BodySizeChanged) if lost is not None else ()
        self._position = 0
        self._count = 0
        self._directory_size = 0
        self._packer = zlib.compressobj(1)
        self._packed_directory: list[bytes] = []

    async def chunks(self, entries: AsyncIterator[ZipEntry]) -> AsyncGenerator[bytes]:
        """The archive in pieces of about 256 KiB to 1 MiB. Raises BodySizeChanged, and what the bodies
        raise.
        """
        waiting: list[bytes] = []
        size = 0
        async with aclosing(self._pieces(entries)) as pieces:
            async for piece in pieces:
                waiting.append(piece)
                size += len(piece)
                if size >= OUTPUT_BYTES:
                    yield b"".join(waiting)
                    waiting, size = [], 0
        yield b"".join(waiting)

    async def _pieces(self, entries: AsyncIterator[ZipEntry]) -> AsyncGenerator[bytes]:
        async for entry in entries:
            async with aclosing(self._entry(entry)) as pieces:
                async for piece in pieces:
                    self._position += len(piece)
                    yield piece
        for piece in self._end():
            yield piece

    async def _entry(self, entry: ZipEntry) -> AsyncGenerator[bytes]:
        budget = None if entry.fetched else self._memory
        gathers = entry.size <= (WHOLE_BYTES if entry.compress else WHOLE_STORED_BYTES)
        gathers = gathers and (budget is None or take_for_output(budget, entry.size))
        try:
            async with aclosing(self._whole(entry) if gathers else self._streamed(entry)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if gathers and budget is not None:
                budget.release(entry.size)

    async def _whole(self, entry: ZipEntry) -> AsyncGenerator[bytes]:
        offset = self._position
        try:
            chunks = [chunk async for chunk in _exactly(entry)]
        except self._losses as error:
            self._tell(entry, None, error)
            return
        crc32 = 0
        for chunk in chunks:
            crc32 = zlib.crc32(chunk, crc32)
        packed = await self._deflated(b"".join(chunks)) if entry.compress and chunks else None
        if packed is not None and len(packed) < entry.size:
            chunks, method = [packed], layout.DEFLATED
        else:
            method = layout.STORED
        done = _Written(entry, method, layout.UTF8, crc32, sum(map(len, chunks)), offset)
        yield _local_header(done, sizes_known=True)
        for chunk in chunks:
            yield chunk
        self._add(done)

    async def _streamed(self, entry: ZipEntry) -> AsyncGenerator[bytes]:
        method = layout.DEFLATED if entry.compress else layout.STORED
        done = _Written(entry, method, layout.UTF8 | layout.DESCRIPTOR, 0, 0, self._position)
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS) if entry.compress else None
        size = 0
        try:
            async for chunk in _exactly(entry):
                if not size:  # not earlier: a body lost from its start leaves no entry
                    yield _local_header(done, sizes_known=False)
                size += len(chunk)
                done.crc32 = zlib.crc32(chunk, done.crc32)
                piece = chunk if packer is None else await self._pack(packer.compress, chunk)
                done.packed += len(piece)
                yield piece
        except self._losses as error:
            self._tell(entry, size or None, error)
            if not size:
                return
        last = b"" if packer is None else await self._pack(lambda _: packer.flush(), b"")
        done.packed += len(last)
        sizes = struct.pack("<LQQ" if _is_large(entry) else "<LLL", done.crc32, done.packed, size)
        yield last + layout.DESCRIPTOR_SIGNATURE + sizes
        self._add(done, size)

    async def _deflated(self, body: bytes) -> bytes:
        return _deflate(body) if len(body) <= _INLINE_BYTES else await self._pack(_deflate, body)

    def _tell(self, entry: ZipEntry, kept: int | None, error: Exception) -> None:
        if self._lost is not None:
            self._lost(entry, kept, error)

    def _add(self, done: _Written, size: int | None = None) -> None:
        """``size``: of the body as it came, if it differs from the entry's."""
        record = _central_header(done, done.entry.size if size is None else size)
        self._count += 1
        self._directory_size += len(record)
        if packed := self._packer.compress(record):
            self._packed_directory.append(packed)

    def _end(self) -> Iterator[bytes]:
        """The central directory and the end records."""
        self._packed_directory.append(self._packer.flush())
        unpacker = zlib.decompressobj()
        for packed in self._packed_directory:
            rest = packed
            while rest:
                yield unpacker.decompress(rest, OUTPUT_BYTES)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
        start, size, count = self._position, self._directory_size, self._count
        if start > layout.MAX32 - 1 or size > layout.MAX32 - 1 or count > layout.MAX16 - 1:
            yield layout.END64.pack(
                layout.END64_SIGNATURE,
                layout.END64.size - 12,
                45 | _UNIX,
                45,
                0,
                0,
                count,
                count,
                size,
                start,
            )
            yield layout.LOCATOR.pack(layout.LOCATOR_SIGNATURE, 0, start + size, 1)
        shown = min(count, layout.MAX16)
        size, start = min(size, layout.MAX32), min(start, layout.MAX32)
        yield layout.END.pack(layout.END_SIGNATURE, 0, 0, shown, shown, size, start, 0)


def take_for_output(memory: ByteBudget, size: int) -> bool:
    """Reserve ``size`` bytes for an outgoing archive, whose reader may leave them there for long.

    Half of the budget stays free for archives that are read.
    """
    return memory.used + size <= memory.total // 2 and memory.try_acquire(size)


async def _exactly(entry: ZipEntry) -> AsyncIterator[bytes]:
    """The body. Raises BodySizeChanged if it is longer or shorter than announced."""
    left = entry.size
    if left:
        async for chunk in entry.body():
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise BodySizeChanged(f"{entry.size} bytes were announced")


def _deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def _is_large(entry: ZipEntry) -> bool:
    return entry.size > _LARGEST_32


def _local_header(done: _Written, *, sizes_known: bool) -> bytes:
    entry = done.entry
    name, extra, needed = entry.name.encode(), b"", 20
    crc32, packed, size = (done.crc32, done.packed, entry.size) if sizes_known else (0, 0, 0)
    if _is_large(entry):  # the descriptor has the sizes, 8 bytes each
        extra, needed = struct.pack("<HHQQ", layout.ZIP64_EXTRA, 16, 0, 0), 45
        packed = size = layout.MAX32
    header = layout.LOCAL.pack(
        layout.LOCAL_SIGNATURE, needed, done.flags, done.method, *_dos_time(entry.modified), crc32, packed,
        size,
        len(name), len(extra),
    )  # fmt: skip
    return header + name + extra


def _central_header(done: _Written, size: int) -> bytes:
    entry = done.entry
    name, wide = entry.name.encode(), b""
    packed, offset = done.packed, done.offset
    if _is_large(entry):
        wide, size, packed = struct.pack("<QQ", size, packed), layout.MAX32, layout.MAX32
    if offset > layout.MAX32 - 1:
        wide, offset = wide + struct.pack("<Q", offset), layout.MAX32
    extra = struct.pack("<HH", layout.ZIP64_EXTRA, len(wide)) + wide if wide else b""
    needed = 45 if wide else 20
    header = layout.CENTRAL.pack(
        layout.CENTRAL_SIGNATURE, needed | _UNIX, needed, done.flags, done.method, *_dos_time(entry.modified),
        done.crc32, packed, size, len(name), len(extra), 0, 0, 0,
        _EXECUTABLE if entry.executable else _REGULAR_FILE, offset,
    )  # fmt: skip
    return header + name + extra


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Time and date of MS-DOS: here in UTC, with a resolution of two seconds, from 1980 to 2107."""
    at = min(max(moment.astimezone(UTC), _DOS_EPOCH), _DOS_END)
    time = at.hour << 11 | at.minute << 5 | at.second // 2
    return time, (at.year - 1980) << 9 | at.month << 5 | at.day
