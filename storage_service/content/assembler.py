"""Cuts a stream of chunks of any size into parts of a fixed size, without copying.

Memory: an assembler holds less than one part (``part_size`` bytes), the whole of chunks that straddle a
boundary (at most one chunk at each end), and some 100 bytes per chunk. Chunks shorter than ``SMALL_CHUNK``
are collected by copying, so a peer that sends single bytes cannot multiply the memory that a part takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage_service.objectstore import checksums
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.values import Chunk


def first_bytes(chunks: Sequence[Chunk], most: int) -> bytes:
    """Return the first ``most`` bytes of the chunks, or all if there are fewer."""
    pieces: list[Chunk] = []
    left = most
    for chunk in chunks:
        if left <= 0:
            break
        pieces.append(memoryview(chunk)[:left])
        left -= len(chunk)
    return b"".join(pieces)


SMALL_CHUNK = 16 * 1024
_GATHER_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part. ``offset``: of its first byte in the object. ``number`` counts from 1."""

    number: int
    offset: int
    size: int
    crc32c: int
    chunks: tuple[Chunk, ...]


class ChunkList:
    """A list of chunks in which small ones are joined by copying."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self._gathering: bytearray | None = None

    def append(self, chunk: Chunk) -> None:
        """Add a chunk. It is kept without copying unless it is small."""
        if len(chunk) >= SMALL_CHUNK:
            self.chunks.append(chunk)
            self._gathering = None
            return
        if self._gathering is None or len(self._gathering) >= _GATHER_LIMIT:
            self._gathering = bytearray()
            self.chunks.append(self._gathering)
        self._gathering += chunk


class PartAssembler:
    """Cuts its input into parts of exactly ``part_size`` bytes; the last part may be shorter.

    A resumed upload begins at a part boundary: ``number`` is that of the next part, ``size`` and ``crc32c``
    describe the object before it.
    """

    def __init__(self, part_size: int, *, number: int = 1, size: int = 0, crc32c: int = 0) -> None:
        if part_size < 1:
            raise ValueError("part_size must be at least 1 byte")
        self.part_size = part_size
        self._number = number
        self._closed_size = size
        self._closed_crc32c = crc32c
        self._begin_part()

    @property
    def size(self) -> int:
        """Size of the object so far in bytes, including pending ones."""
        return self._closed_size + self._pending

    @property
    def crc32c(self) -> int:
        """CRC-32C of the object so far, including pending bytes."""
        return checksums.combine(self._closed_crc32c, self._part_crc32c, self._pending)

    @property
    def pending(self) -> int:
        """Number of bytes that don't fill a part yet; always less than ``part_size`` between calls."""
        return self._pending

    @property
    def next_number(self) -> int:
        """Number of the next part."""
        return self._number

    def feed(self, chunk: Chunk | Counted) -> list[Part]:
        """Add ``chunk`` and return the parts that it completes, usually none.

        The chunk is kept without copying, so it must not change afterwards.
        """
        filled: list[Part] = []
        rest = chunk.data if isinstance(chunk, Counted) else chunk
        while len(rest):
            room = self.part_size - self._pending
            if len(rest) > room:
                rest = memoryview(rest)  # only a chunk that straddles a boundary is cut
            piece = rest[:room]
            counted = chunk if isinstance(chunk, Counted) and len(piece) == len(chunk) else None
            self._keep(piece, counted)
            rest = rest[room:]
            if self._pending == self.part_size:
                filled.append(self._close_part())
        return filled

    def finish(self) -> Part | None:
        """Return the last, shorter part, or None if nothing is pending (the body ended at a boundary, or is
        empty).
        """
        return self._close_part() if self._pending else None

    def _begin_part(self) -> None:
        self._kept = ChunkList()
        self._pending = 0
        self._part_crc32c = 0

    def _keep(self, piece: Chunk, counted: Counted | None) -> None:
        if counted is None:
            self._part_crc32c = checksums.extend(self._part_crc32c, piece)
        else:
            self._part_crc32c = checksums.append(self._part_crc32c, counted)
        self._pending += len(piece)
        self._kept.append(piece)

    def _close_part(self) -> Part:
        part = Part(
            self._number, self._closed_size, self._pending, self._part_crc32c, tuple(self._kept.chunks)
        )
        self._closed_crc32c = self.crc32c
        self._closed_size += self._pending
        self._number += 1
        self._begin_part()
        return part
