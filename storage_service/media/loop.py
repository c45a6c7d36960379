"""Reads what is new, and what was there before: claims unread files for as long as there are some.

A claim runs out by itself, later each time, so that whatever becomes of this process nothing is forgotten.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.telemetry import tracing
from storage_service.failing_items import FailingItems
from storage_service.media.reader import MediaReader
from storage_service.metadata.media import MediaRecords
from storage_service.objectstore.errors import StoreError
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import File

log = structlog.get_logger(__name__)

#: For each process that reads. A batch is read to its end before the next one is claimed, so what comes
#: meanwhile waits for it; and with two of the costliest it ends before its claim does.
BATCH: Final = 2
REST_SECONDS: Final = 5.0


class MediaLoop:
    """One per process; ``loop`` runs it. ``processes``: how many files are read at once."""

    def __init__(
        self, reader: MediaReader, records: MediaRecords, heartbeat: Heartbeat, *, processes: int
    ) -> None:
        self._batch = BATCH * processes
        self._reader = reader
        self._records = records
        self._heartbeat = heartbeat
        self._items = FailingItems("media_read_failed", "media_read_again")
        self.loop = BackgroundLoop(
            self.run_once, heartbeat, rest_seconds=REST_SECONDS, expected=(StrongroomError, StoreError)
        )

    async def run_once(self) -> bool:
        """One batch. Returns whether there was one. Raises StrongroomError."""
        claim = await self._records.claim(self._batch)
        async with asyncio.TaskGroup() as group:
            for file in claim.files:
                group.create_task(self._read(file, claim.traceparents.get(file.id, "")))
        if not claim.files:
            await self._reader.idle()
        return bool(claim.files)

    async def _read(self, file: File, stored_by: str) -> None:
        """What fails is due again when its claim has run out; the others of the batch go on."""
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
