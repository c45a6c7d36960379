"""Checks whether restores from an archive class have ended, so that owners can be told.

S3 doesn't tell by itself. The restores in progress are recorded in metadata_service, so they survive
restarts, and replicas share the checks: one HEAD each, at most MOST_LOOKS per pass.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.telemetry import tracing
from storage_service.failing_items import FailingItems
from storage_service.metadata.contents import ArchiveRecords
from storage_service.objectstore.errors import ObjectNotFound, StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, Reachability
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.archive_service_pb2 import ArchivedContent

BATCH: Final = 50
"""Objects checked at the same time."""
MOST_LOOKS: Final = 1000
PATIENCE: Final = timedelta(hours=1)
"""How long a store may show no sign of a restore that was requested."""

log = structlog.get_logger(__name__)


class RestoreWatch:
    """Checks restores in a loop. One per process. ``often_seconds``: the least time between two checks of an
    object.
    """

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
        """Check the restores that are due. Raises StrongroomError.

        Returns False, because what is left can wait until the next pass.
        """
        for _ in range(MOST_LOOKS // BATCH):
            contents = await self._records.claim(BATCH, self._pause)
            await asyncio.gather(*(self._look(content) for content in contents))
            self._heartbeat.beat()
            if len(contents) < BATCH:
                break
        return False

    async def _look(self, content: ArchivedContent) -> None:
        """Check one object. If that fails it becomes due again by itself."""
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
        except ObjectNotFound:  # deleted meanwhile, or lost, which its readers report
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
