"""Masks the location in a file for readers other than its owner."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from storage_service.media.location import Mask
from storage_service.media.reader import MediaReader, is_read
from storage_service.metadata.contents import MediaRecords
from storage_service.objectstore.errors import translated
from strongroom.errors import Overloaded
from strongroom.metadata.v1.file_pb2 import File, MediaInfo
from strongroom.metadata.v1.project_pb2 import ProjectFile

Masks = tuple[Mask, ...]
#: Contents whose masks are cached. Contents never change.
REMEMBERED: Final = 2000
#: How long a reader waits for a file that was not read yet.
PATIENCE_SECONDS: Final = 20.0


class Unlocated:
    """One instance per process. Without a ``reader`` nothing is masked."""

    def __init__(self, reader: MediaReader | None, records: MediaRecords) -> None:
        self._reader = reader
        self._records = records
        self._known = OrderedDict[str, Masks]()
        self._reading: dict[str, asyncio.Task[MediaInfo]] = {}

    @property
    def takes_out(self) -> bool:
        """Whether places are masked."""
        return self._reader is not None

    async def masks(self, file: File | ProjectFile) -> Masks:
        """The masks to apply to this content. A file that was not read yet is read first.

        Raises StrongroomError; Overloaded if that takes too long.
        """
        if self._reader is None or isinstance(file, ProjectFile) or not is_read(file.content_type):
            return ()
        content = file.link_stamp.content_id
        if content in self._known:
            self._known.move_to_end(content)
            return self._known[content]
        media = file.media if file.HasField("media") else await self._read(self._reader, file)
        masks: Masks = ()
        if media.has_location:
            found = await self._records.masks(file)
            masks = tuple(Mask(mask.offset, mask.length, mask.filling) for mask in found)
        self._known[content] = masks
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return masks

    async def _read(self, reader: MediaReader, file: File) -> MediaInfo:
        """Read a file once for concurrent callers. A file that is missing in the store has no location."""
        content = file.link_stamp.content_id
        task = self._reading.get(content)
        if task is None:
            task = self._reading[content] = asyncio.create_task(reader.read(file))
            task.add_done_callback(lambda _: self._reading.pop(content, None))
        try:
            with translated():
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await asyncio.shield(task)
        except TimeoutError:
            raise Overloaded(
                "This file was just stored and is still being looked at; ask again in a moment.",
                metadata={"service": "storage_service"},
                retry_after=5.0,
            ) from None
