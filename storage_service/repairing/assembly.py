"""Builds verification, scrub, repairs and the quarantine for ``bootstrap``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from servicekit.background import BackgroundLoop, Heartbeats
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.damage import DamageReporter
from storage_service.reading.pace import Pace
from storage_service.repairing.guard import MostWrong
from storage_service.repairing.identity import BucketIdentity
from storage_service.repairing.inspection import QuarantineStage
from storage_service.repairing.manifest import Manifest
from storage_service.repairing.metrics import RepairMetrics
from storage_service.repairing.quarantine import Quarantine
from storage_service.repairing.repairs import Repairs
from storage_service.verifying.job import POLL_SECONDS, VerificationJob
from storage_service.verifying.scrub import REST_SECONDS, Scrub
from storage_service.verifying.stage import Grace, Rates
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STAGE_QUARANTINE, UnownedObject

LONGEST_REST_SECONDS = 3600.0
SHORTEST_REST_SECONDS = 1.0
STEP_SECONDS = 60.0
"""Expected time of one step of a run, or of one object of the scrub. After ten times as long it counts as
stuck.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RepairRules:
    """See ``StorageSettings``."""

    grace_seconds: float
    quarantine_seconds: float
    most: MostWrong


class Verifying:
    """Verification, scrub and repair: their loops, and the parts that the servicer calls."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        damage: DamageReporter,
        heartbeats: Heartbeats,
        metrics: RepairMetrics,
        *,
        rates: Rates,
        rules: RepairRules,
    ) -> None:
        self.records = records
        self._store, self._damage, self._metrics = store, damage, metrics
        self.identity = BucketIdentity(store, records)
        self.quarantine_seconds = rules.quarantine_seconds
        self._kept = Grace(rules.quarantine_seconds)
        self.quarantine = Quarantine(store, self._kept, Grace(rules.grace_seconds))
        self.repairs = Repairs(
            store,
            records,
            self.identity,
            self.quarantine,
            damage=damage,
            metrics=metrics,
            grace=Grace(rules.grace_seconds),
            most=rules.most,
        )
        verification = self._verification(heartbeats, rates)
        self.wake = verification.wake
        self.loops: tuple[BackgroundLoop, ...] = (
            verification,
            *self._scrub(heartbeats, rates.scrub_bytes_per_second),
            self._purging(heartbeats),
        )

    def _verification(self, heartbeats: Heartbeats, rates: Rates) -> BackgroundLoop:
        inspection = QuarantineStage(self._store, self.quarantine, self._kept)
        job = VerificationJob(
            self._store,
            self.records,
            heartbeats.add("verify", max(POLL_SECONDS, STEP_SECONDS)),
            self._metrics,
            interval_seconds=rates.interval_seconds,
            grace=Grace(rates.grace_seconds),
            may_work=self.identity.check_seldom,
            storage_class=rates.storage_class,
            more_stages={VERIFICATION_STAGE_QUARANTINE: inspection},
        )
        return job.loop

    def _scrub(self, heartbeats: Heartbeats, bytes_per_second: int) -> tuple[BackgroundLoop, ...]:
        if not bytes_per_second:
            return ()
        scrub = Scrub(
            self._store,
            self.records,
            self._damage,
            heartbeats.add("scrub", max(REST_SECONDS, STEP_SECONDS)),
            self._metrics,
            pace=Pace(bytes_per_second),
            may_work=self.identity.check_seldom,
        )
        return (scrub.loop,)

    def _purging(self, heartbeats: Heartbeats) -> BackgroundLoop:
        rest = min(LONGEST_REST_SECONDS, max(SHORTEST_REST_SECONDS, self.quarantine_seconds / 10))
        return BackgroundLoop(
            self.purge,
            heartbeats.add("quarantine", rest),
            rest_seconds=rest,
            rest_first=True,
            expected=(StrongroomError, StoreError),
        )

    async def purge(self) -> bool:
        """Remove expired entries from quarantine, and those of erased users.

        Raises StrongroomError, StoreError.
        """
        if await self.identity.check_seldom():
            purged = await self.quarantine.purge()
            if begun := await self.records.any_erasure():
                gone, saw_all = await self.quarantine.purge_erased(self._erased)
                purged += gone
                if saw_all:
                    await self.records.quarantine_seen(begun)
            self._metrics.purged(purged)
            if purged:
                log.info("quarantine_purged", count=purged)
        return False

    async def _erased(self, entries: Sequence[Manifest]) -> Sequence[int]:
        return await self.records.erased([_unowned(entry) for entry in entries])


def _unowned(entry: Manifest) -> UnownedObject:
    found = UnownedObject(key=entry.key, owner_id=entry.metadata.get("user_id", ""))
    found.store_time.FromDatetime(entry.last_modified)
    return found
