"""The beginning of a body that has come in chunks."""

from __future__ import annotations

from collections.abc import Sequence

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
