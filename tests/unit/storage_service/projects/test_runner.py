"""The frame of a save: begin, lease, commit, giving up."""

from __future__ import annotations

import asyncio

import pytest

from storage_service.attempts.engine import WriteEngine
from storage_service.attempts.versioning import VersioningGate
from storage_service.projects.runner import OpenSave, SaveRunner
from strongroom.errors import (
    BucketNotVersioned,
    IdempotencyKeyReused,
    ServiceUnavailable,
    UploadIncomplete,
    UploadSuperseded,
    VersionNotFound,
)
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.attempts.test_failures import Failures, teller
from tests.unit.storage_service.projects.fakes import FakeSaves, Settled

REQUEST = pb.BeginSaveRequest(slug="site")


class Running:
    """A runner, and the calls that it has made."""

    def __init__(self, *, versioned: bool = True, lease: float = 30.0) -> None:
        self.saves, self.settled, self.woken = FakeSaves(), Settled(), 0
        gate = VersioningGate(MemoryObjectStore(versioned=versioned))
        self.engine = WriteEngine(gate, lease_seconds=lease, wake_cleaner=self._wake)
        self.runner = SaveRunner(self.saves, self.engine, self.settled, teller(Failures()))

    def _wake(self) -> None:
        self.woken += 1

    async def run(self, content: bytes = b"c") -> pb.CommitSaveResponse:
        async def write(save: OpenSave) -> pb.CommitSaveRequest:
            return pb.CommitSaveRequest(save_id=save.save_id, owner_id=save.owner_id, content_sha256=content)

        async def digest() -> bytes:
            return content

        return await self.runner.run(REQUEST, write, digest)

    async def run_failing(self, error: BaseException) -> None:
        async def write(_: OpenSave) -> pb.CommitSaveRequest:
            raise error

        async def digest() -> bytes:
            return b""

        await self.runner.run(REQUEST, write, digest)


async def test_a_save_commits_and_settles() -> None:
    running = Running()
    assert (await running.run()).content_sha256 == b"c"
    assert running.settled.asked == [("ada", "site")]
    assert running.saves.abandoned == []


async def test_a_repeat_with_the_same_content() -> None:
    running = Running()
    running.saves.replay = pb.CommitSaveResponse(content_sha256=b"c")
    assert await running.run(b"c") == running.saves.replay
    with pytest.raises(IdempotencyKeyReused):
        await running.run(b"d")
    assert running.saves.commits == []


async def test_what_fails_before_the_commit_is_given_up_before_the_answer() -> None:
    running = Running()
    with pytest.raises(UploadIncomplete):
        await running.run_failing(UploadIncomplete("cut"))
    assert len(running.saves.abandoned) == 1
    assert running.woken == 1


async def test_a_cancelled_save_is_given_up() -> None:
    running = Running()

    async def write(_: OpenSave) -> pb.CommitSaveRequest:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async def digest() -> bytes:
        return b""

    task = asyncio.create_task(running.runner.run(REQUEST, write, digest))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await running.engine.aclose()
    assert len(running.saves.abandoned) == 1


async def test_an_unknown_outcome_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running()
    running.saves.failing["commit"] = ServiceUnavailable("gone")
    monkeypatch.setattr("storage_service.attempts.engine.TRIES", 3)
    with pytest.raises(ServiceUnavailable):
        await running.run()
    assert len(running.saves.commits) == 3
    assert running.saves.abandoned == []  # the outcome is unknown, so nothing is undone (rule R4)


async def test_a_refused_commit_is_given_up() -> None:
    running = Running()
    running.saves.failing["commit"] = VersionNotFound("9")
    with pytest.raises(VersionNotFound):
        await running.run()
    assert len(running.saves.abandoned) == 1


async def test_a_lost_lease_ends_the_save() -> None:
    running = Running(lease=0.15)
    running.saves.lost = True

    async def write(_: OpenSave) -> pb.CommitSaveRequest:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async def digest() -> bytes:
        return b""

    with pytest.raises(UploadSuperseded):
        await running.runner.run(REQUEST, write, digest)


async def test_a_bucket_without_versioning() -> None:
    running = Running(versioned=False)
    with pytest.raises(BucketNotVersioned, match="only its operator") as refused:
        await running.run()
    assert "strongroom bucket init" in refused.value.advice
