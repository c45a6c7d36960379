"""Reports committed objects that readers find missing (lost) or with wrong bytes (corrupt).

Each is logged as an ERROR with key and request id, and counted (``strongroom_damaged_objects_total``).
metadata_service is told in the background, independently of the reader's answer, and tells the owner
(EVENT_TYPE_FILE_DAMAGED).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import structlog
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from servicekit import context
from storage_service.failing_items import FailingItems
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.throttle import Throttle
from strongroom.errors import StrongroomError
from strongroom.metadata.v1 import reservation_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED

log = structlog.get_logger(__name__)

Damage = Literal["lost", "corrupt"]
_TOLD: Final[Mapping[Damage, pb.Damage.ValueType]] = {"lost": pb.DAMAGE_LOST, "corrupt": pb.DAMAGE_CORRUPT}

MOST_TELLING = 64
"""Reports at a time, so that a store that has lost everything doesn't flood metadata_service."""


class DamageCounts(Collector):
    """Counts damaged objects found by this process, as a metric."""

    def __init__(self) -> None:
        self._counts: Counter[Damage] = Counter()

    def add(self, damage: Damage) -> None:
        """Count one object."""
        self._counts[damage] += 1

    def collect(self) -> Iterable[Metric]:
        """Return one sample per kind of damage."""
        found = CounterMetricFamily(
            "strongroom_damaged_objects",
            "Reads of committed objects that found no object (lost) or other bytes (corrupt).",
            labels=("kind",),
        )
        for kind in ("lost", "corrupt"):
            found.add_metric((kind,), self._counts[kind])
        return (found,)


class DamageReporter:
    """Reports damaged objects. One instance per process."""

    def __init__(
        self, reservations: Reservations, records: VerificationRecords, counts: DamageCounts
    ) -> None:
        self._reservations = reservations
        self._records = records
        self._counts = counts
        self._reports = Throttle()
        self._telling: set[asyncio.Task[None]] = set()
        self._untold = FailingItems("damage_untold", "damage_told_again")

    def report(self, damage: Damage, ref: ObjectRef, **facts: object) -> None:
        """Report an object. ``facts`` are added to the log line. Returns at once and raises nothing."""
        self._counts.add(damage)
        log.error(
            "object_damaged",
            kind=damage,
            key=ref.key,
            version=ref.version_id,
            request_id=context.current_request_id(),
            **facts,
        )
        if not self._reports.is_due(ref):
            return
        if len(self._telling) >= MOST_TELLING:
            log.warning("damage_untold", key=ref.key, reason="too many at one time")
            return
        self._reports.begun(ref)
        task = asyncio.create_task(self._tell(damage, ref), name=f"damage of {ref.key}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def is_removed(self, ref: ObjectRef, etag: str) -> bool:
        """Whether a missing object was removed with its file, as after a read that was slower than the read
        grace. Then it is no damage: any user could have an operator paged. False if the rows can't be read.
        """
        try:
            rows = (await self._records.look_up([ref.key])).at(ref.key)
        except StrongroomError as error:
            log.warning("missing_object_not_looked_up", key=ref.key, error=str(error))
            return False
        version = ref.version_id or ""  # without versions, a successor's object has the same name
        return not any(
            row.state == BLOB_STATE_COMMITTED and row.version_id == version and (version or row.etag == etag)
            for row in rows
        )

    async def aclose(self) -> None:
        """Wait for reports in progress."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _tell(self, damage: Damage, ref: ObjectRef) -> None:
        try:
            await self._reservations.report_damage(ref.key, ref.version_id or "", _TOLD[damage])
        except StrongroomError as error:
            self._reports.failed(ref)
            self._untold.failed(error, key=ref.key)
        except Exception:
            self._reports.failed(ref)
            log.exception("damage_untold", key=ref.key)
        else:
            self._untold.well()
