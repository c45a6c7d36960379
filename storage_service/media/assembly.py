"""Builds the reading of media for ``bootstrap``."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.background import BackgroundLoop, Heartbeats
from storage_service.media.loop import REST_SECONDS, MediaLoop
from storage_service.media.metrics import MediaMetrics
from storage_service.media.process import ReadingLimits
from storage_service.media.reader import MediaReader, is_read
from storage_service.media.unlocated import Unlocated
from storage_service.metadata.contents import MediaRecords
from storage_service.objectstore.interface import ObjectStore
from strongroom.metadata.v1.file_pb2 import File


@dataclass(frozen=True, slots=True)
class MediaRules:
    """``processes``: files read in parallel; 0: none is ever read."""

    processes: int
    limits: ReadingLimits


class MediaReading:
    """The parts of one process."""

    def __init__(
        self,
        store: ObjectStore,
        records: MediaRecords,
        heartbeats: Heartbeats,
        metrics: MediaMetrics,
        rules: MediaRules,
    ) -> None:
        self.loops: tuple[BackgroundLoop, ...] = ()
        self.reader: MediaReader | None = None
        if rules.processes:
            self.reader = MediaReader(store, records, metrics, processes=rules.processes, limits=rules.limits)
            heartbeat = heartbeats.add("media", REST_SECONDS)
            loop = MediaLoop(self.reader, records, heartbeat, processes=rules.processes)
            self.loops = (loop.loop,)

        self.unlocated = Unlocated(self.reader, records)

    def committed(self, file: File) -> None:
        """Announce a committed file. If its type is read, it is read soon."""
        if is_read(file.content_type):
            for loop in self.loops:
                loop.wake()

    async def aclose(self) -> None:
        """Stop the processes."""
        if self.reader is not None:
            await self.reader.aclose()
