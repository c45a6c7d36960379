"""A source's bytes on their way: counted, checked, slowed down."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

import google_crc32c

from strongroom.client.ignoring import DEFAULT_IGNORE, Ignore
from strongroom.client.project_trees import read_tree
from strongroom.client.reading import BLOCK_BYTES, cut, in_thread
from strongroom.migrate.entries import Entry
from strongroom.migrate.pace import Pace
from strongroom.migrate.sources.source import Source


class Reading:
    """Reads one entry, as often as is needed. ``size``, ``crc32c`` and ``sha256`` are those of the last
    reading that came to its end; before one has, ``is_whole`` is False.
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
        """The bytes from the first one on, read in a thread.

        :raises SourceGone: or SourceChanged, as of ``Source.read``.
        """
        async with aclosing(in_thread(self._read)) as blocks:
            async for block in blocks:
                await self._pace.bytes(len(block))
                yield block

    async def small(self) -> bytes | None:
        """All of what fits one block and is at hand, for a quarter of what a stream of it costs; None: it is
        longer, or may be slow to come.

        :raises SourceGone: or SourceChanged, as of ``Source.read``.
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
        """Read it to its end, unless that was done."""
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
    """What a project of this folder holds: SHA-256 by path. Blocks."""
    return {file.path: file.sha256 for file in read_tree(folder, Ignore(DEFAULT_IGNORE)).files}


def tree_digest(files: dict[str, bytes]) -> bytes:
    """One SHA-256 for paths and contents."""
    said = hashlib.sha256()
    for path in sorted(files):
        said.update(path.encode() + b"\0" + files[path])
    return said.digest()
