"""Runs verifications: begins one when the last is old enough, claims a shard, and goes through it in steps.

Any number of replicas may run it. Each shard is leased, and the findings of a step are saved together with
the cursor. If a replica dies, another one takes over its shard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from servicekit.archive_classes import STANDARD
from servicekit.background import BackgroundLoop, Heartbeat
from storage_service.attempts.engine import LeaseKeeper
from storage_service.failing_items import FailingItems
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.verifying.metrics import VerificationMetrics, kind_name
from storage_service.verifying.objects import Objects
from storage_service.verifying.stage import Grace, Stage, Step
from storage_service.verifying.uploads import OpenUploads, Segments
from strongroom.errors import StrongroomError, UploadSuperseded
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import SaveShardRequest, VerificationShard

log = structlog.get_logger(__name__)

LEASE_SECONDS = 60.0
"""A shard's lease, if metadata_service is of the previous release and does not state it."""
POLL_SECONDS = 5.0
"""How soon a run begun by another replica is noticed. A run begun by this process wakes the loop."""


class RowsAgainstRows:
    """Stages that metadata_service checks alone."""

    def __init__(self, records: VerificationRecords) -> None:
        self._records = records

    async def step(self, shard: VerificationShard) -> Step:
        """Check the next rows."""
        found = await self._records.check_rows(shard.stage, shard.cursor)
        return Step(found.cursor, not found.cursor, found.counts, list(found.findings))


class VerificationJob:
    """Works on one shard at a time. One instance per process; ``loop`` runs it.

    :param interval_seconds: begin a run when the last one is this old; 0: only on request.
    :param may_work: whether the bucket belongs to this database.
    :param more_stages: further stages by number, which need more than ``store`` and ``records``.
    """

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        heartbeat: Heartbeat,
        metrics: VerificationMetrics,
        *,
        interval_seconds: float,
        grace: Grace,
        may_work: Callable[[], Awaitable[bool]],
        storage_class: str = STANDARD,
        more_stages: Mapping[int, Stage] | None = None,
    ) -> None:
        rows = RowsAgainstRows(records)
        self._stages: Mapping[int, Stage] = {
            pb.VERIFICATION_STAGE_OBJECTS: Objects(store, records, grace, storage_class),
            pb.VERIFICATION_STAGE_UPLOADS: OpenUploads(store, records, grace),
            pb.VERIFICATION_STAGE_SEGMENTS: Segments(store, records),
            pb.VERIFICATION_STAGE_FILES: rows,
            pb.VERIFICATION_STAGE_PROJECT_FILES: rows,
            pb.VERIFICATION_STAGE_SUMS: rows,
            **(more_stages or {}),
        }
        self._records = records
        self._heartbeat = heartbeat
        self._steps = FailingItems("verification_step_failed", "verification_steps_again")
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._may_work = may_work
        self.loop = BackgroundLoop(
            self.run_once, heartbeat, rest_seconds=POLL_SECONDS, rest_first=True, expected=(StrongroomError,)
        )

    async def run_once(self) -> bool:
        """Work on one shard, if there is one. Returns whether there was. Raises StrongroomError."""
        shard = await self._next_shard()
        if shard is None:
            return False
        try:
            async with self._lease(shard):
                await self._go_through(shard)
        except UploadSuperseded:
            log.info("verification_shard_taken_over", number=shard.number)
        except (StrongroomError, StoreError) as error:
            self._steps.failed(error, number=shard.number)
            await self._failed(shard, error)
        except Exception as error:
            log.exception("verification_step_failed", number=shard.number)
            await self._failed(shard, error)
        else:
            self._steps.well()
        return True

    async def _next_shard(self) -> VerificationShard | None:
        """A shard of the current run; without one, of a new run if that is due. None: there is no work."""
        if not await self._may_work():
            return None  # the run may be about another process's bucket
        shard = await self._records.claim()
        if shard is not None or not self._interval_seconds:
            return shard
        due = await self._records.begin(pb.VERIFICATION_DEPTH_LISTINGS, self._interval_seconds)
        return await self._records.claim() if due.begun else None

    def _lease(self, shard: VerificationShard) -> LeaseKeeper:
        """Keep the shard's lease renewed: one step may read back thousands of objects and outlast it."""
        claimed = VerificationShard()
        claimed.CopyFrom(shard)
        name = {"verification_id": shard.verification_id, "shard": str(shard.number)}
        return LeaseKeeper(lambda: self._records.renew(claimed), shard.lease_seconds or LEASE_SECONDS, name)

    async def _go_through(self, shard: VerificationShard) -> None:
        stage = self._stages[shard.stage]
        while True:
            step = await stage.step(shard)
            await self._records.save(
                SaveShardRequest(
                    shard=shard,
                    cursor=step.cursor,
                    done=step.done,
                    counts=step.counts,
                    findings=step.findings,
                    moved=step.moved,
                )
            )
            self._heartbeat.beat()
            self._tell(step)
            if step.done:
                await self._look_at_run(shard.verification_id)
                return
            shard.cursor = step.cursor

    def _tell(self, step: Step) -> None:
        for finding in step.findings:
            self._metrics.found(finding)
            log.error(
                "verification_finding",
                kind=kind_name(finding.kind),
                key=finding.key,
                blob_id=finding.blob_id,
                row=finding.row,
            )

    async def _look_at_run(self, run_id: str) -> None:
        """If the run has ended, record its result in the metrics."""
        run = await self._records.run(run_id)
        if run.state != pb.VERIFICATION_STATE_RUNNING:
            self._metrics.ended(run)
            log.info("verification_ended", id=run.id, findings=sum(found.count for found in run.findings))

    async def _failed(self, shard: VerificationShard, error: Exception) -> None:
        self._heartbeat.failed()
        await self._records.release(shard, _sentence(error))


def _sentence(error: Exception) -> str:
    """The reason for the report of a run that could not be finished, without internal details."""
    if isinstance(error, StrongroomError):
        return f"{error.reason_name}: {error.message}"
    if isinstance(error, StoreError):
        return f"The object store failed ({type(error).__name__}); storage_service's log says more."
    return "It failed inside storage_service; the log of storage_service says more."
