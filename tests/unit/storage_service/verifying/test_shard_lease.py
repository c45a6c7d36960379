"""A step longer than its shard's lease: the shard stays with its replica, or nothing of the step counts."""

from __future__ import annotations

import asyncio
from typing import cast

from servicekit.background import Heartbeat
from storage_service.metadata.verification import VerificationRecords
from storage_service.verifying.job import VerificationJob
from storage_service.verifying.metrics import VerificationMetrics
from storage_service.verifying.stage import Grace
from strongroom.errors import UploadSuperseded
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import (
    BeginVerificationResponse,
    CheckRowsResponse,
    SaveShardRequest,
    VerificationShard,
)
from tests.doubles.memory_store import MemoryObjectStore

LEASE = 0.15


class Records:
    """One shard whose lease expires. ``lost``: a renewal finds that another process has the shard."""

    def __init__(self, *, lost: bool) -> None:
        self._lost = lost
        self._free_at = 0.0
        self._outlived = asyncio.Event()
        self.epoch, self.renewals = 0, 0
        self.saved: list[int] = []

    async def begin(self, _depth: int, _unless_younger: float) -> BeginVerificationResponse:
        return BeginVerificationResponse()

    async def claim(self) -> VerificationShard | None:
        if asyncio.get_running_loop().time() < self._free_at:
            return None
        self.epoch += 1
        self._hold()
        return VerificationShard(
            verification_id="run", epoch=self.epoch, stage=pb.VERIFICATION_STAGE_FILES, lease_seconds=LEASE
        )

    async def renew(self, shard: VerificationShard) -> float:
        if self._lost or shard.epoch != self.epoch:
            raise UploadSuperseded("Somebody else's.")
        self._hold()
        self.renewals += 1
        if self.renewals > 4:  # each after a third of the lease
            self._outlived.set()
        return LEASE

    async def check_rows(self, _stage: int, _cursor: str) -> CheckRowsResponse:
        await self._outlived.wait()
        return CheckRowsResponse()

    async def save(self, request: SaveShardRequest) -> None:
        self.saved.append(request.shard.epoch)

    async def run(self, run_id: str) -> pb.Verification:
        return pb.Verification(id=run_id, state=pb.VERIFICATION_STATE_RUNNING)

    def _hold(self) -> None:
        self._free_at = asyncio.get_running_loop().time() + LEASE


async def may_work() -> bool:
    return True


def job(records: Records) -> VerificationJob:
    return VerificationJob(
        MemoryObjectStore(),
        cast("VerificationRecords", records),
        Heartbeat("verify", 1.0),
        VerificationMetrics(),
        interval_seconds=0.0,
        grace=Grace(0.0),
        may_work=may_work,
    )


async def test_a_step_may_outlive_its_lease_beside_another_replica() -> None:
    records = Records(lost=False)
    async with asyncio.timeout(60):
        assert await job(records).run_once()
    assert records.renewals > 3
    assert (records.epoch, records.saved) == (1, [1])


async def test_a_step_whose_shard_was_lost_ends_and_saves_nothing() -> None:
    records = Records(lost=True)
    async with asyncio.timeout(60):
        assert await job(records).run_once()
    assert records.saved == []
