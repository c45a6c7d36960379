"""Reads stored pictures, videos and sounds, a few at a time, and records their facts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from servicekit.limits.places import CappedPlaces
from storage_service.media.frames import DIED, DONE
from storage_service.media.metrics import MediaMetrics
from storage_service.media.process import Fetch, ReadingLimits, ReadingProcess, Told
from storage_service.metadata.contents import MediaRecords
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from strongroom.metadata.v1.file_pb2 import File, MediaInfo
from strongroom.metadata.v1.media_info_service_pb2 import LocationMask

log = structlog.get_logger(__name__)

TRIES: Final = 2
KINDS: Final = ("image/", "video/", "audio/")


class MediaReader:
    """One instance per process. ``processes``: files read in parallel; one owner gets at most half of them.

    The limit protects guests, who wait for files that were not read yet, from another owner's costly files.
    """

    def __init__(
        self,
        store: ObjectStore,
        records: MediaRecords,
        metrics: MediaMetrics,
        *,
        processes: int,
        limits: ReadingLimits,
        make: Callable[[ReadingLimits], ReadingProcess] = ReadingProcess,
    ) -> None:
        self._store = store
        self._records = records
        self._metrics = metrics
        self._places = CappedPlaces(processes, per_owner=max(1, processes // 2))
        self._free = asyncio.Queue[ReadingProcess]()
        self._all = [make(limits) for _ in range(processes)]
        for process in self._all:
            self._free.put_nowait(process)

    async def read(self, file: File) -> MediaInfo:
        """Read a file and record its facts, or at least that it was read. Raises StoreError,
        StrongroomError.
        """
        with self._metrics.reading(file.content_type):
            told = await self._told(file)
        media = media_of(told.facts)
        await self._records.report(file, media, masks_of(told.facts, file.size_bytes))
        if told.ended != DONE:
            self._metrics.broken()
            log.info("media_unreadable", file_id=file.id, content_type=file.content_type)
        return media

    async def idle(self) -> None:
        """Stop processes that are idle."""
        while not self._free.empty():
            process = self._free.get_nowait()
            try:
                await process.aclose()
            finally:
                self._free.put_nowait(process)
            if self._free.qsize() == len(self._all):
                return

    async def aclose(self) -> None:
        """Stop all processes."""
        for process in self._all:
            await process.aclose()

    async def _told(self, file: File) -> Told:
        async def fetch(offset: int, size: int) -> bytes:
            ref = ObjectRef(file.key, file.version_id or None)
            async with self._store.open(ref, offset=offset, length=size, if_match=file.etag) as stream:
                return b"".join([piece async for piece in stream])

        told = Told({}, DIED)
        for _ in range(TRIES):
            again = await self._read_once(file, fetch)
            told = Told({**told.facts, **again.facts}, again.ended)
            if told.ended != DIED:
                break
        return told

    async def _read_once(self, file: File, fetch: Fetch) -> Told:
        """Read once it is the owner's turn and a process is free."""
        async with self._places.place(file.owner_id):
            process = await self._free.get()
            try:
                return await process.read(file.content_type, file.size_bytes, fetch)
            finally:
                self._free.put_nowait(process)


def is_read(content_type: str) -> bool:
    """Whether files of this type are read."""
    return content_type.startswith(KINDS)


def media_of(facts: Mapping[str, Any]) -> MediaInfo:
    """The plausible ones of the facts that a process has sent: a compromised process may send anything."""
    media = MediaInfo()
    width, height = (_whole(facts.get(name), 2**31 - 1) for name in ("width", "height"))
    if width and height:
        media.width, media.height = width, height
    media.orientation = _whole(facts.get("orientation"), 8)
    media.duration_millis = _whole(facts.get("duration_millis"), 2**53)
    taken = facts.get("taken_at")
    if isinstance(taken, str) and len(taken) <= 40 and taken.isascii():
        media.taken_at = taken
    thumbhash = facts.get("thumbhash")
    if isinstance(thumbhash, str) and len(thumbhash) <= 100:
        media.thumbhash = bytes.fromhex(thumbhash)
    media.has_location = bool(facts.get("masks"))
    return media


def masks_of(facts: Mapping[str, Any], size: int) -> list[LocationMask]:
    """The masks that lie inside the file."""
    masks = [
        LocationMask(offset=offset, length=length, filling=bytes.fromhex(filling))
        for offset, length, filling in facts.get("masks", ())
    ]
    return [mask for mask in masks if 0 <= mask.offset < mask.offset + mask.length <= size]


def _whole(value: object, most: int) -> int:
    return value if isinstance(value, int) and 0 < value <= most else 0
