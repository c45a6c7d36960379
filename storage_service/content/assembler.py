"""Chunks in, parts out: cuts a stream of any chunking at fixed part boundaries, without copying.

Memory: an assembler holds less than one part (``part_size`` bytes), plus what the chunks that straddle its
ends keep alive (at most one chunk at each end), plus some 100 bytes for every chunk. Chunks shorter than
``SMALL_CHUNK`` are gathered by copying, so that a peer who sends single bytes cannot multiply the memory that
a part takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage_service.objectstore import checksums
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.values import Chunk


def first_bytes(chunks: Sequence[Chunk], most: int) -> bytes:
    """The first ``most`` bytes, or all there are."""
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
    """A finished part. ``offset`` is where its first byte stands in the object; ``number`` counts from 1."""

    number: int
    offset: int
    size: int
    crc32c: int
    chunks: tuple[Chunk, ...]


class ChunkList:
    """Chunks that are kept: small ones are gathered by copying."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self._gathering: bytearray | None = None

    def append(self, chunk: Chunk) -> None:
        """The next bytes; a chunk is kept, not copied, unless it is small."""
        if len(chunk) >= SMALL_CHUNK:
            self.chunks.append(chunk)
            self._gathering = None
            return
        if self._gathering is None or len(self._gathering) >= _GATHER_LIMIT:
            self._gathering = bytearray()
            self.chunks.append(self._gathering)
        self._gathering += chunk


class PartAssembler:
    """Cuts what it is fed into parts of exactly ``part_size`` bytes; the last one may be shorter.

    A resumed upload begins at a part boundary: ``number`` of the next part, ``size`` and ``crc32c`` of the
    object before it.
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
        """Bytes of the object so far, pending ones included."""
        return self._closed_size + self._pending

    @property
    def crc32c(self) -> int:
        """CRC-32C of the object so far, pending bytes included."""
        return checksums.combine(self._closed_crc32c, self._part_crc32c, self._pending)

    @property
    def pending(self) -> int:
        """Bytes held that no part has taken yet; always less than ``part_size`` between calls."""
        return self._pending

    @property
    def next_number(self) -> int:
        """Number that the next part will have."""
        return self._number

    def feed(self, chunk: Chunk | Counted) -> list[Part]:
        """Take ``chunk``; returns the parts that it fills, mostly none.

        The chunk is kept, not copied: it must not change afterwards.
        """
        filled: list[Part] = []
        rest = chunk.data if isinstance(chunk, Counted) else chunk
        while len(rest):
            room = self.part_size - self._pending
            if len(rest) > room:
                rest = memoryview(rest)  # only what straddles a boundary is cut
            piece = rest[:room]
            counted = chunk if isinstance(chunk, Counted) and len(piece) == len(chunk) else None
            self._keep(piece, counted)
            rest = rest[room:]
            if self._pending == self.part_size:
                filled.append(self._close_part())
        return filled

    def finish(self) -> Part | None:
        """The last, shorter part.

        None when nothing is pending (the body ended at a boundary, or is empty).
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
