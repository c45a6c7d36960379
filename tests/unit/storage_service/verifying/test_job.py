"""The job begins a run only if the current one has no shard left, and goes through a shard step by step."""

from __future__ import annotations

from typing import cast

import pytest
from structlog.testing import capture_logs

from servicekit.background import Heartbeat
from storage_service.metadata.verification import VerificationRecords
from storage_service.verifying.job import VerificationJob
from storage_service.verifying.metrics import VerificationMetrics
from storage_service.verifying.stage import Grace, Step
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import (
    BeginVerificationResponse,
    CheckRowsResponse,
    SaveShardRequest,
    VerificationShard,
)
from tests.doubles.memory_store import MemoryObjectStore


class Records:
    """``shards``: of the run in progress. ``due``: of a run that begins on request."""

    def __init__(self, *, shards: int, due: int = 0) -> None:
        self.shards, self.due = shards, due
        self.calls: list[str] = []

    async def begin(self, _depth: int, unless_younger: float) -> BeginVerificationResponse:
        self.calls.append("begin")
        assert unless_younger == 60.0
        begun, self.shards, self.due = self.due > 0, self.shards + self.due, 0
        return BeginVerificationResponse(begun=begun)

    async def claim(self) -> VerificationShard | None:
        self.calls.append("claim")
        if not self.shards:
            return None
        self.shards -= 1
        return VerificationShard(verification_id="run", stage=pb.VERIFICATION_STAGE_FILES)

    async def check_rows(self, _stage: int, _cursor: str) -> CheckRowsResponse:
        return CheckRowsResponse()

    async def save(self, request: SaveShardRequest) -> None:
        assert request.done
        self.calls.append("save")

    async def run(self, run_id: str) -> pb.Verification:
        return pb.Verification(id=run_id, state=pb.VERIFICATION_STATE_RUNNING)


async def may_work() -> bool:
    return True


async def may_not_work() -> bool:
    return False


@pytest.mark.parametrize(
    ("records", "interval", "worked", "calls"),
    [
        (Records(shards=2), 60.0, True, ["claim", "save"]),
        (Records(shards=0, due=1), 60.0, True, ["claim", "begin", "claim", "save"]),
        (Records(shards=0), 60.0, False, ["claim", "begin"]),
        (Records(shards=1), 0.0, True, ["claim", "save"]),
        (Records(shards=0, due=1), 0.0, False, ["claim"]),
    ],
    ids=["under way", "due", "not due", "asked for", "nobody asked"],
)
async def test_a_run_begins_where_none_has_anything_to_give(
    records: Records, interval: float, worked: bool, calls: list[str]
) -> None:
    job = VerificationJob(
        MemoryObjectStore(),
        cast("VerificationRecords", records),
        Heartbeat("verify", 1.0),
        VerificationMetrics(),
        interval_seconds=interval,
        grace=Grace(0.0),
        may_work=may_work,
    )
    assert await job.run_once() is worked
    assert records.calls == calls


async def test_no_part_of_a_run_is_taken_by_who_sees_another_bucket() -> None:
    records = Records(shards=1, due=1)
    job = VerificationJob(
        MemoryObjectStore(),
        cast("VerificationRecords", records),
        Heartbeat("verify", 1.0),
        VerificationMetrics(),
        interval_seconds=60.0,
        grace=Grace(0.0),
        may_work=may_not_work,
    )
    assert not await job.run_once()
    assert records.calls == []


class Saved(Records):
    """Keeps what is saved. The run ends with its shard."""

    def __init__(self) -> None:
        super().__init__(shards=1)
        self.saved: list[tuple[str, str, bool]] = []

    async def save(self, request: SaveShardRequest) -> None:
        self.saved.append((request.shard.cursor, request.cursor, request.done))

    async def run(self, run_id: str) -> pb.Verification:
        return pb.Verification(id=run_id, state=pb.VERIFICATION_STATE_FINISHED)


class Steps:
    """A stage of three steps, each taken once, with a finding in the second one."""

    def __init__(self) -> None:
        self.left = {"": "a", "a": "b", "b": ""}

    async def step(self, shard: VerificationShard) -> Step:
        cursor = self.left.pop(shard.cursor)
        lost = pb.Finding(kind=pb.FINDING_KIND_OBJECT_MISSING, key="uploads/ada/a.bin")
        return Step(cursor, done=not cursor, findings=[lost] if cursor == "b" else [])


async def test_each_step_begins_where_the_one_before_was_saved_and_tells_of_its_findings() -> None:
    records, metrics = Saved(), VerificationMetrics()
    job = VerificationJob(
        MemoryObjectStore(),
        cast("VerificationRecords", records),
        Heartbeat("verify", 1.0),
        metrics,
        interval_seconds=0.0,
        grace=Grace(0.0),
        may_work=may_work,
        more_stages={pb.VERIFICATION_STAGE_FILES: Steps()},
    )
    with capture_logs() as lines:
        assert await job.run_once()
    assert records.saved == [("", "a", False), ("a", "b", False), ("b", "", True)]
    assert [line["event"] for line in lines] == ["verification_finding", "verification_ended"]
    assert lines[0]["key"] == "uploads/ada/a.bin"
    counted = {
        sample.labels["kind"]: sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "strongroom_verify_findings_total" and sample.value
    }
    assert counted == {"object_missing": 1}
