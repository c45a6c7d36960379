"""Reads a committed object back and compares its bytes with the row: for the scrub and for ``--depth bytes``.

This module reports no findings. A caller that finds a difference reads the row again before it reports one,
because the file may have been deleted meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import MIB, ObjectInfo, ObjectRef
from storage_service.reading.pace import Pace
from strongroom.metadata.v1.verification_service_pb2 import KeyRow

RANGE_BYTES: Final = 8 * MIB
"""Size of one ranged request. The reader pauses only between requests, so no connection stays idle."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read: size in bytes, and CRC-32C."""

    size: int
    crc32c: int

    def fits(self, row: KeyRow) -> bool:
        """Whether the row has the same size and checksum."""
        return (self.size, self.crc32c) == (row.size_bytes, row.crc32c)


async def read_back(
    store: ObjectStore, ref: ObjectRef, expected: int, pace: Pace, *, if_match: str | None = None
) -> Seen:
    """Read an object back. If its size is not ``expected`` (bytes), return that size without reading on.

    :param if_match: the entity tag that the object must have.

    Raises ObjectNotFound, StoreError.
    """
    crc32c = size = 0
    while size < expected or not size:
        before = size
        async with store.open(ref, offset=size, length=RANGE_BYTES, if_match=if_match) as stream:
            if stream.info.size != expected:
                return Seen(stream.info.size, crc32c)
            async for piece in stream:
                crc32c, size = checksums.extend(crc32c, piece), size + len(piece)
        await pace.spend(size - before)
        if size == before:
            break
    return Seen(size, crc32c)


async def checksum_of(store: ObjectStore, ref: ObjectRef, info: ObjectInfo) -> int:
    """CRC-32C of the whole object that HEAD described: the store's, or computed by reading it now.

    Raises ObjectNotFound, StoreError.
    """
    if info.crc32c is not None:
        return info.crc32c
    seen = await read_back(store, ref, info.size, Pace(0), if_match=info.etag or None)
    if seen.size != info.size:
        raise StoreUnavailable("an object could not be read to its end", operation="GetObject")
    return seen.crc32c
