"""Looks whether what was asked back from an archive class has come, so that its owner hears of it.

S3 tells nobody by itself. Which objects are waited for stands in metadata_service, so it survives restarts,
and replicas share the looks: a HEAD each, MOST_LOOKS at most in one pass.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.telemetry import tracing
from storage_service.failing_items import FailingItems
from storage_service.metadata.archive import ArchiveRecords
from storage_service.objectstore.errors import ObjectNotFound, StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, Reachability
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.archive_service_pb2 import ArchivedContent

BATCH: Final = 50
"""Looked at side by side."""
MOST_LOOKS: Final = 1000
PATIENCE: Final = timedelta(hours=1)
"""So long a store may show no sign of a restore that it was asked for."""

log = structlog.get_logger(__name__)


class RestoreWatch:
    """One per process; ``loop`` runs it. ``often_seconds``: between two looks at one object, at least."""

    def __init__(
        self, store: ObjectStore, records: ArchiveRecords, heartbeat: Heartbeat, *, often_seconds: float
    ) -> None:
        self._store = store
        self._records = records
        self._heartbeat = heartbeat
        self._items = FailingItems("restore_not_looked_at", "restores_looked_at_again")
        self._pause = timedelta(seconds=often_seconds)
        self.loop = BackgroundLoop(
            self.run_once, heartbeat, rest_seconds=often_seconds, expected=(StrongroomError, StoreError)
        )

    async def run_once(self) -> bool:
        """Look at what is due. Returns False: what is left has time until the next pass. Raises
        StrongroomError.
        """
        for _ in range(MOST_LOOKS // BATCH):
            contents = await self._records.claim(BATCH, self._pause)
            await asyncio.gather(*(self._look(content) for content in contents))
            self._heartbeat.beat()
            if len(contents) < BATCH:
                break
        return False

    async def _look(self, content: ArchivedContent) -> None:
        """What could not be looked at is due again by itself."""
        try:
            known = {"strongroom.blob_id": content.blob_id}
            with tracing.work("look at restore", known, links=(content.traceparent,)):
                await self._decide(content)
        except (StoreError, StrongroomError) as error:
            self._heartbeat.failed()
            self._items.failed(error, key=content.key)
        else:
            self._items.well()

    async def _decide(self, content: ArchivedContent) -> None:
        try:
            info = await self._store.head(ObjectRef(content.key, content.version_id or None))
        except ObjectNotFound:  # deleted meanwhile, or lost: its readers are told
            await self._records.given_up(content)
            return
        if info.reachability is Reachability.READABLE:
            log.info("restore_ended", key=content.key, until=str(info.readable_until or ""))
            await self._records.readable(content, info.readable_until)
        elif info.reachability is Reachability.ARCHIVED and _waited(content) > PATIENCE:
            log.warning("restore_came_to_nothing", key=content.key)
            await self._records.given_up(content)


def _waited(content: ArchivedContent) -> timedelta:
    return datetime.now(UTC) - content.ask_time.ToDatetime(UTC)
