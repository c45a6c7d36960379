"""Builds verification, repairs and the quarantine for ``bootstrap``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from servicekit.background import BackgroundLoop, Heartbeats
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.damage import DamageReporter
from storage_service.repairing.guard import MostWrong
from storage_service.repairing.identity import BucketIdentity
from storage_service.repairing.inspection import QuarantineStage
from storage_service.repairing.manifest import Manifest
from storage_service.repairing.metrics import RepairMetrics
from storage_service.repairing.quarantine import Quarantine
from storage_service.repairing.repairs import Repairs
from storage_service.verifying.assembly import Verifying
from storage_service.verifying.stage import Grace, Rates
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STAGE_QUARANTINE, UnownedObject

LONGEST_REST_SECONDS = 3600.0
SHORTEST_REST_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RepairRules:
    """See ``StorageSettings``."""

    grace_seconds: float
    quarantine_seconds: float
    most: MostWrong


class RepairedVerifying(Verifying):
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
        self.identity = identity = BucketIdentity(store, records)
        kept = Grace(rules.quarantine_seconds)
        self.quarantine = Quarantine(store, kept, Grace(rules.grace_seconds))
        inspection = QuarantineStage(store, self.quarantine, kept)
        super().__init__(
            store,
            records,
            damage,
            heartbeats,
            metrics,
            rates=rates,
            may_work=identity.check_seldom,
            more_stages={VERIFICATION_STAGE_QUARANTINE: inspection},
        )
        self.quarantine_seconds = rules.quarantine_seconds
        self._metrics = metrics
        grace = Grace(rules.grace_seconds)
        self.repairs = Repairs(
            store,
            records,
            identity,
            self.quarantine,
            damage=damage,
            metrics=metrics,
            grace=grace,
            most=rules.most,
        )
        rest = min(LONGEST_REST_SECONDS, max(SHORTEST_REST_SECONDS, rules.quarantine_seconds / 10))
        purging = BackgroundLoop(
            self.purge,
            heartbeats.add("quarantine", rest),
            rest_seconds=rest,
            rest_first=True,
            expected=(StrongroomError, StoreError),
        )
        self.loops = (*self.loops, purging)

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
