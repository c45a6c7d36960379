"""The scrub: reads committed objects back at a set rate, least recently checked first, and compares CRC-32C.

Its progress is stored in the rows, so it survives restarts, and replicas share the work. An object that is
wrong in two reads is reported as damage (``reading.damage``) to the operator and the owner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from storage_service.failing_items import FailingItems
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import ObjectArchived, ObjectNotFound, StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.damage import DamageReporter
from storage_service.reading.pace import Pace
from storage_service.verifying.findings import ref_of
from storage_service.verifying.metrics import VerificationMetrics
from storage_service.verifying.readback import Seen, read_back
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.reservation_service_pb2 import (
    DAMAGE_CORRUPT,
    DAMAGE_LOST,
    DAMAGE_UNSPECIFIED,
    Damage,
)
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, ScrubResult

log = structlog.get_logger(__name__)

BATCH = 20
REST_SECONDS = 30.0
"""Pause if nothing is due or the store fails."""


class Scrub:
    """Checks claimed objects. One instance per process; ``loop`` runs it.

    :param may_work: whether the bucket belongs to this database.
    """

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        damage: DamageReporter,
        heartbeat: Heartbeat,
        metrics: VerificationMetrics,
        *,
        pace: Pace,
        may_work: Callable[[], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._records = records
        self._damage = damage
        self._heartbeat = heartbeat
        self._items = FailingItems("scrub_failed", "scrubs_again")
        self._metrics = metrics
        self._pace = pace
        self._may_work = may_work
        self.loop = BackgroundLoop(
            self.run_once,
            heartbeat,
            rest_seconds=REST_SECONDS,
            rest_first=True,
            expected=(StrongroomError, StoreError),
        )

    async def run_once(self) -> bool:
        """Check one batch. Returns whether there was one. Raises StrongroomError."""
        if not await self._may_work():
            return False
        claim = await self._records.claim_scrub(BATCH)
        oldest = claim.oldest_check_time.ToDatetime(UTC) if claim.HasField("oldest_check_time") else None
        self._metrics.coverage(oldest, claim.unchecked)
        for row in claim.rows:
            result = await self._check_safely(row)
            if result is not None:
                await self._records.report_scrub([result])
            self._heartbeat.beat()
        return bool(claim.rows)

    async def _check_safely(self, row: KeyRow) -> ScrubResult | None:
        """Check one object. Returns None without a result; the object is due again when its claim expires."""
        try:
            result = await self._check(row)
        except ObjectArchived:  # archived bytes can't be read: check them after they are restored
            return None
        except StoreError as error:
            self._heartbeat.failed()
            self._items.failed(error, blob_id=row.blob_id)
            return None
        self._items.well()
        return result

    async def _check(self, row: KeyRow) -> ScrubResult | None:
        seen = await self._read(row)
        if seen is not None and seen.fits(row):
            self._metrics.scrubbed(seen.size)
            return _result(row)
        again = await self._read(row)
        if again is not None and again.fits(row):
            log.warning("scrub_read_other_bytes_once", key=row.key, blob_id=row.blob_id)
            self._metrics.scrubbed(again.size)
            return _result(row)
        if not await self._is_committed(row):
            return None
        if again is None:
            self._damage.report("lost", ref_of(row), by="scrub")
            return _result(row, DAMAGE_LOST)
        facts = {"size": again.size, "expected": row.crc32c, "actual": again.crc32c}
        self._damage.report("corrupt", ref_of(row), by="scrub", **facts)
        return _result(row, DAMAGE_CORRUPT)

    async def _read(self, row: KeyRow) -> Seen | None:
        """Read the object; None: it is not there."""
        try:
            return await read_back(self._store, ref_of(row), row.size_bytes, self._pace)
        except ObjectNotFound:
            return None

    async def _is_committed(self, row: KeyRow) -> bool:
        """Whether the row is still committed: its file may have been deleted since the claim."""
        rows: Sequence[KeyRow] = (await self._records.look_up([row.key])).at(row.key)
        return any(now.blob_id == row.blob_id and now.state == BLOB_STATE_COMMITTED for now in rows)


def _result(row: KeyRow, damage: Damage.ValueType = DAMAGE_UNSPECIFIED) -> ScrubResult:
    return ScrubResult(owner_id=row.owner_id, blob_id=row.blob_id, damage=damage)
