"""Reads a source's bytes: counts, verifies and paces them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

import google_crc32c

from strongroom.client.project_trees import DEFAULT_IGNORE, Ignore, read_tree
from strongroom.client.reading import BLOCK_BYTES, cut, in_thread
from strongroom.migrate.entries import Entry
from strongroom.migrate.pace import Pace
from strongroom.migrate.sources.source import Source


class Reading:
    """Reads one entry, any number of times.

    ``size``, ``crc32c`` and ``sha256`` are those of the last complete reading; ``is_whole`` is False before
    the first one.
    """

    def __init__(self, source: Source, entry: Entry, pace: Pace | None = None) -> None:
        self._source = source
        self._entry = entry
        self._pace = pace or Pace()
        self.is_whole = False
        self.size = 0
        self.crc32c = 0
        self.sha256 = b""

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the bytes from the beginning, read in a thread.

        :raises SourceGone: or SourceChanged, as ``Source.read``.
        """
        async with aclosing(in_thread(self._read)) as blocks:
            async for block in blocks:
                await self._pace.bytes(len(block))
                yield block

    async def small(self) -> bytes | None:
        """Return all bytes of an entry that fits one block and is on a local disk; else None.

        That takes a quarter of the CPU of streaming it.

        :raises SourceGone: or SourceChanged, as ``Source.read``.
        """
        size = self._entry.size
        if size is None or size > BLOCK_BYTES or not self._source.is_at_hand(self._entry):
            return None
        blocks = await asyncio.to_thread(lambda: list(islice(self._read(), 2)))
        if len(blocks) > 1:
            return None
        data = blocks[0] if blocks else b""
        await self._pace.bytes(len(data))
        return data

    async def whole(self) -> None:
        """Read the entry to its end, unless that was done before."""
        if not self.is_whole and await self.small() is None:
            async with aclosing(self.blocks()) as blocks:
                async for _ in blocks:
                    pass

    def _read(self) -> Iterator[bytes]:
        size, crc, sha = 0, 0, hashlib.sha256()
        for block in cut(self._source.read(self._entry)):
            size += len(block)
            crc = google_crc32c.extend(crc, block)
            sha.update(block)
            yield block
        self.size, self.crc32c, self.sha256, self.is_whole = size, crc, sha.digest(), True


def tree_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a project in this folder: SHA-256 by path. Blocks."""
    return {file.path: file.sha256 for file in read_tree(folder, Ignore(DEFAULT_IGNORE)).files}


def tree_digest(files: dict[str, bytes]) -> bytes:
    """Return one SHA-256 of all paths and contents."""
    said = hashlib.sha256()
    for path in sorted(files):
        said.update(path.encode() + b"\0" + files[path])
    return said.digest()
