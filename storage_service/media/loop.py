"""Reads new files, and files from before the feature existed: claims unread files until there are none.

A claim runs out by itself, after a longer time with each try. So no file is forgotten if this process dies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.telemetry import tracing
from storage_service.failing_items import FailingItems
from storage_service.media.reader import MediaReader
from storage_service.metadata.contents import MediaRecords
from storage_service.objectstore.errors import StoreError
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import File

log = structlog.get_logger(__name__)

#: Files claimed per reading process. A batch is finished before the next claim, so new files wait for it;
#: with two of the costliest files it still ends before its claim does.
BATCH: Final = 2
REST_SECONDS: Final = 5.0
"""Also how long reading processes are kept after the last file: starting one costs more than most files."""


class MediaLoop:
    """One instance per process; ``loop`` runs it. ``processes``: files read in parallel."""

    def __init__(
        self,
        reader: MediaReader,
        records: MediaRecords,
        heartbeat: Heartbeat,
        *,
        processes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batch = BATCH * processes
        self._reader = reader
        self._records = records
        self._heartbeat = heartbeat
        self._clock = clock
        self._read_at = -REST_SECONDS
        self._items = FailingItems("media_read_failed", "media_read_again")
        self.loop = BackgroundLoop(
            self.run_once, heartbeat, rest_seconds=REST_SECONDS, expected=(StrongroomError, StoreError)
        )

    async def run_once(self) -> bool:
        """Read one batch. Returns whether there was one. Raises StrongroomError."""
        claim = await self._records.claim(self._batch)
        async with asyncio.TaskGroup() as group:
            for file in claim.files:
                group.create_task(self._read(file, claim.traceparents.get(file.id, "")))
        if claim.files:
            self._read_at = self._clock()
        elif self._clock() - self._read_at >= REST_SECONDS:
            await self._reader.idle()
        return bool(claim.files)

    async def _read(self, file: File, stored_by: str) -> None:
        """Read one file. A failure does not stop the batch; the file is due again when its claim runs out."""
        try:
            with tracing.work("read media", {"strongroom.file_id": file.id}, links=(stored_by,)):
                await self._reader.read(file)
        except (StrongroomError, StoreError) as error:
            self._heartbeat.failed()
            self._items.failed(error, file_id=file.id)
        except Exception:
            self._heartbeat.failed()
            log.exception("media_read_failed", file_id=file.id)
        else:
            self._items.well()
        self._heartbeat.beat()
