"""Re-scan: reads back contents not yet scanned with the current signatures, at a set rate.

The rows say which these are, so progress survives restarts, and replicas share the work. metadata_service
hides infected contents from readers and informs the owner.
"""

from __future__ import annotations

from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.telemetry import tracing
from storage_service.failing_items import FailingItems
from storage_service.metadata.contents import ScanRecords
from storage_service.objectstore.errors import ObjectNotFound, PreconditionFailed, StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import MIB, ObjectRef
from storage_service.reading.pace import Pace
from storage_service.scanning.rules import ScanRules
from storage_service.scanning.scanner import Scanner
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_INFECTED, SCAN_OUTCOME_UNSCANNED, Scan
from strongroom.metadata.v1.scan_service_pb2 import StoredContent

log = structlog.get_logger(__name__)

BATCH: Final = 20
STOCK: Final = 1000
RANGE_BYTES: Final = 8 * MIB


class Rescan:
    """One instance per process; ``loop`` runs it."""

    def __init__(
        self,
        store: ObjectStore,
        records: ScanRecords,
        scanner: Scanner,
        rules: ScanRules,
        heartbeat: Heartbeat,
        *,
        pace: Pace,
        rest_seconds: float,
    ) -> None:
        self._store = store
        self._records = records
        self._scanner = scanner
        self._rules = rules
        self._heartbeat = heartbeat
        self._items = FailingItems("rescan_failed", "rescans_again")
        self._pace = pace
        self._rest_seconds = rest_seconds
        self._stock: str | None = ""
        self.loop = BackgroundLoop(
            self.run_once, heartbeat, rest_seconds=rest_seconds, expected=(StrongroomError, StoreError)
        )

    async def run_once(self) -> bool:
        """Scan one batch. Returns whether there may be more. Raises StrongroomError."""
        database = await self._scanner.database(self._rest_seconds)
        if not database:
            return False
        if self._stock is not None:
            self._stock = await self._records.take_stock(self._stock, STOCK) or None
        contents = await self._records.claim(database, BATCH)
        for content in contents:
            known = {"strongroom.blob_id": content.blob_id}
            with tracing.work("scan again", known, links=(content.traceparent,)):
                answered = await self._rescan(content, database)
            if not answered and not await self._scanner.answers():
                return False
            self._heartbeat.beat()
        return bool(contents) or self._stock is not None

    async def _rescan(self, content: StoredContent, database: str) -> bool:
        """Scan one content. False: the scanner did not answer; the content is due again by itself."""
        try:
            scan = await self._scan(content, database)
        except (StoreError, StrongroomError) as error:
            self._heartbeat.failed()
            self._items.failed(error, blob_id=content.blob_id)
            return True
        except Exception:
            self._heartbeat.failed()
            log.exception("rescan_failed", blob_id=content.blob_id)
            return True
        self._items.well()
        if scan.cause == "scanner":
            return False
        if scan.outcome == SCAN_OUTCOME_INFECTED:
            log.warning("stored_content_infected", blob_id=content.blob_id, signature=scan.signature)
        scan.database = database
        await self._records.report(content, scan)
        return True

    async def _scan(self, content: StoredContent, database: str) -> Scan:
        if content.family and content.family not in self._rules.families:
            scan = Scan(outcome=SCAN_OUTCOME_UNSCANNED, cause="family")
            scan.scan_time.GetCurrentTime()
            return scan
        run = await self._scanner.of_stored(database)
        ref, offset = ObjectRef(content.key, content.version_id or None), 0
        try:
            while offset < content.size_bytes and run.is_wanted:
                length = min(RANGE_BYTES, content.size_bytes - offset)
                async with self._store.open(ref, offset=offset, length=length, if_match=content.etag) as body:
                    async for piece in body:
                        await run.feed(piece)
                        offset += len(piece)
                await self._pace.spend(length)
            run.end()
            return await run.outcome()
        except (ObjectNotFound, PreconditionFailed):
            log.info("rescan_found_nothing", blob_id=content.blob_id)
            raise
        finally:
            run.close()
