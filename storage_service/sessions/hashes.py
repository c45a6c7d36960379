"""MD5, SHA-1 and SHA-256 of whole uploads, computed on the way while one process sees all bytes.

Only for clients that sent one of them. The state of a hashlib object can't be stored. So if the next bytes
reach another process, or the process is restarted, the finished object is read back once before it becomes
visible.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Protocol

from storage_service.content.body import mismatch
from storage_service.objectstore import checksums
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk, ObjectRef
from storage_service.scanning.run import Scanned
from strongroom.type.v1.checksums_pb2 import Checksums

NAMES = ("md5", "sha1", "sha256")
REMEMBERED = 4096


class Hash(Protocol):
    """A hash object as hashlib makes it."""

    def update(self, data: Chunk, /) -> None:
        """Add the next bytes."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""
        ...


class Hashes:
    """The hashes that ``expected`` names, over the bytes fed so far (``size`` of them), and their CRC-32C."""

    def __init__(self, *expected: Checksums) -> None:
        wanted = [name for name in NAMES if any(getattr(given, name) for given in expected)]
        self._hashes: dict[str, Hash] = {name: hashlib.new(name, usedforsecurity=False) for name in wanted}
        self.size = 0
        self.crc32c = 0

    @property
    def names(self) -> frozenset[str]:
        """Names of the hashes that are computed."""
        return frozenset(self._hashes)

    def feed(self, data: Chunk, *, crc32c: bool = False) -> None:
        """Add the next bytes. ``crc32c``: compute that, too (uploads get it from their parts)."""
        self.size += len(data)
        for running in self._hashes.values():
            running.update(data)
        if crc32c:
            self.crc32c = checksums.extend(self.crc32c, data)

    def check(self, expected: Checksums) -> None:
        """Compare the computed hashes with ``expected``. Raises ChecksumMismatch."""
        for name, running in self._hashes.items():
            wanted: bytes = getattr(expected, name)
            if wanted and wanted != running.digest():
                raise mismatch(name, wanted.hex(), running.digest().hex())


class RunningHashes:
    """Keeps the hashes of uploads between two writes, in memory only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Hashes] = OrderedDict()

    def take(self, upload_id: str, expected: Checksums, offset: int) -> Hashes | None:
        """Return the hashes after ``offset`` bytes, or None if they aren't known here or none are needed."""
        kept = self._kept.pop(upload_id, None)
        fresh = Hashes(expected)
        if not fresh.names:
            return None
        if offset == 0:
            return fresh
        return kept if kept is not None and kept.size == offset and kept.names == fresh.names else None

    def keep(self, upload_id: str, hashes: Hashes) -> None:
        """Keep the hashes until the next write. The oldest ones are dropped."""
        self._kept[upload_id] = hashes
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)


async def read_back(
    store: ObjectStore, ref: ObjectRef, *expected: Checksums, scanned: Scanned | None = None
) -> Hashes:
    """Read an object once, to compute its CRC-32C and the hashes that ``expected`` names, and for the
    scanner.

    Raises StoreError, and what scanning raises.
    """
    hashes = Hashes(*expected)
    async with store.open(ref) as body:
        async for chunk in body:
            hashes.feed(chunk, crc32c=True)
            if scanned is not None:
                await scanned.feed(chunk)
    if scanned is not None:
        scanned.end()
    return hashes
