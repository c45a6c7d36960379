"""Reads stored objects for a ZIP: small ones are fetched ahead, in order; large ones are streamed in their
turn.

A request to S3 takes milliseconds whatever its size, so an archive of many small files would mostly wait.
Memory: at most ``AHEAD`` bodies of up to ``SMALL_BYTES`` for each archive, and the one that is being written,
from a budget of the process. Without budget nothing is fetched ahead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from storage_service.attempts.budget import ByteBudget
from storage_service.media.unlocated import Masks
from storage_service.projects.archives.packing import Packing
from storage_service.projects.archives.zip_out import ZipEntry, take_for_output
from storage_service.projects.file_types import is_compressed
from storage_service.reading.committed import Committed, CommittedReader
from storage_service.reading.downloads import content_of
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import ProjectFile

AHEAD = 8
SMALL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object and its name in the archive. ``compress``: compression may help."""

    name: str
    committed: Committed
    modified: datetime
    compress: bool
    executable: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return self.committed.size


def stored_file(name: str, file: File | ProjectFile, masks: Masks = ()) -> StoredFile:
    """A file under ``name``. ``masks``: bytes that its readers don't get. Raises ObjectLost if its bytes are
    known to be damaged.
    """
    if isinstance(file, ProjectFile):
        modified, executable = file.create_time, file.executable
    else:
        modified, executable = file.update_time, False
    return StoredFile(
        name,
        content_of(file, masks),
        modified.ToDatetime(UTC),
        compress=not is_compressed(file.content_type),
        executable=executable,
    )


@dataclass(slots=True)
class _Waiting:
    """A file whose turn has not come. ``body``: its fetch, if it was begun ahead."""

    file: StoredFile
    body: asyncio.Task[bytes] | None


class ArchiveSource:
    """Turns stored files into entries; one instance per process.

    ``memory``: the budget for bodies in memory; ``packing``: compresses.
    """

    def __init__(self, objects: CommittedReader, memory: ByteBudget) -> None:
        self._objects = objects
        self.memory = memory
        self.packing = Packing()

    @asynccontextmanager
    async def entries(self, files: AsyncIterator[StoredFile]) -> AsyncIterator[AsyncIterator[ZipEntry]]:
        """``async with source.entries(…) as entries``: in the order of ``files``. Leaving drops what was
        fetched ahead.

        Iterating raises what ``files`` raises, ObjectLost, and what the store raises.
        """
        waiting: deque[_Waiting] = deque()
        try:
            yield self._in_order(files, waiting)
        finally:
            ahead = [(one.file.size, one.body) for one in waiting if one.body is not None]
            for size, task in ahead:  # a second cancellation must not leave any behind
                task.cancel()
                task.add_done_callback(partial(self._dropped, size))
            await asyncio.gather(*(task for _, task in ahead), return_exceptions=True)

    async def _in_order(
        self, files: AsyncIterator[StoredFile], waiting: deque[_Waiting]
    ) -> AsyncIterator[ZipEntry]:
        async for file in files:
            waiting.append(self._begin(file))
            if len(waiting) > AHEAD:
                yield await self._entry(waiting[0])
                self._written(waiting)
        while waiting:
            yield await self._entry(waiting[0])
            self._written(waiting)

    def _begin(self, file: StoredFile) -> _Waiting:
        if not 0 < file.size <= SMALL_BYTES or not take_for_output(self.memory, file.size):
            return _Waiting(file, None)
        return _Waiting(file, asyncio.create_task(self._fetch(file)))

    async def _entry(self, one: _Waiting) -> ZipEntry:
        file, task = one.file, one.body
        if task is None:
            body = partial(self._stream, file)
        else:
            await asyncio.wait([task])
            body = partial(_fetched, task)
        return ZipEntry(
            file.name,
            file.size,
            file.modified,
            file.compress,
            body,
            file.executable,
            fetched=task is not None,
        )

    def _dropped(self, size: int, task: asyncio.Task[bytes]) -> None:
        """Release what was fetched ahead."""
        self.memory.release(size)
        if not task.cancelled():
            task.exception()  # mark it as retrieved

    def _written(self, waiting: deque[_Waiting]) -> None:
        """The consumer asked for the next entry: release the first one."""
        one = waiting.popleft()
        if one.body is not None:
            self.memory.release(one.file.size)

    async def _fetch(self, file: StoredFile) -> bytes:
        return b"".join([chunk async for chunk in self._stream(file)])

    async def _stream(self, file: StoredFile) -> AsyncIterator[bytes]:
        async with self._objects.open(file.committed) as body:
            async for chunk in body:
                yield chunk


async def _fetched(task: asyncio.Task[bytes]) -> AsyncIterator[bytes]:
    """The fetched body. Raises what fetching raised: the writer of the archive decides what that means."""
    yield await task
