"""Builds verification and scrub for ``bootstrap``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from servicekit.background import BackgroundLoop, Heartbeats
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.damage import DamageReporter
from storage_service.reading.pace import Pace
from storage_service.verifying.job import POLL_SECONDS, VerificationJob
from storage_service.verifying.metrics import VerificationMetrics
from storage_service.verifying.scrub import REST_SECONDS, Scrub
from storage_service.verifying.stage import Grace, Rates, Stage

STEP_SECONDS = 60.0
"""Expected time of one step of a run, or of one object of the scrub. After ten times as long it counts as
stuck.
"""


class Verifying:
    """The loops of verification and scrub, and the parts that the servicer calls."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        damage: DamageReporter,
        heartbeats: Heartbeats,
        metrics: VerificationMetrics,
        *,
        rates: Rates,
        may_work: Callable[[], Awaitable[bool]],
        more_stages: Mapping[int, Stage],
    ) -> None:
        self.records = records
        beat = heartbeats.add("verify", max(POLL_SECONDS, STEP_SECONDS))
        grace = Grace(rates.grace_seconds)
        job = VerificationJob(
            store,
            records,
            beat,
            metrics,
            interval_seconds=rates.interval_seconds,
            grace=grace,
            may_work=may_work,
            storage_class=rates.storage_class,
            more_stages=more_stages,
        )
        self.wake = job.loop.wake
        self.loops: tuple[BackgroundLoop, ...] = (job.loop,)
        if rates.scrub_bytes_per_second:
            beat = heartbeats.add("scrub", max(REST_SECONDS, STEP_SECONDS))
            pace = Pace(rates.scrub_bytes_per_second)
            scrub = Scrub(store, records, damage, beat, metrics, pace=pace, may_work=may_work)
            self.loops = (job.loop, scrub.loop)
