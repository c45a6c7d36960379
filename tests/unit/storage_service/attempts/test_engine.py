"""The frame of every write: a failure gives up, an unknown outcome does not."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from storage_service.attempts import engine as module
from storage_service.attempts.engine import Holder, WriteEngine, fingerprint
from storage_service.attempts.versioning import VersioningGate
from storage_service.objectstore.errors import StoreTimeout
from strongroom.errors import (
    DatabaseUnavailable,
    ObjectStoreUnavailable,
    PreconditionFailed,
    ServiceUnavailable,
    StrongroomError,
    UploadIncomplete,
    UploadSuperseded,
)
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from tests.doubles.memory_store import MemoryObjectStore


class Write:
    """A writer. ``gate``: what giving up waits for."""

    def __init__(self, *, patience: float = 0.0, error: Exception | None = None) -> None:
        self.abandoned, self.woken = 0, 0
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()
        self.holder = Holder({"blob_id": "b"}, self._renew, self._abandon, patience)
        gate = VersioningGate(MemoryObjectStore())
        self.engine = WriteEngine(gate, lease_seconds=30, wake_cleaner=self._wake)

    async def _renew(self) -> float:
        return 30.0

    async def _abandon(self) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.abandoned += 1

    def _wake(self) -> None:
        self.woken += 1

    async def fail(self, error: BaseException) -> None:
        async with self.engine.hold(self.holder):
            raise error


async def test_what_goes_well_is_not_given_up() -> None:
    write = Write()
    async with write.engine.hold(write.holder):
        await asyncio.sleep(0)
    await write.engine.aclose()
    assert (write.abandoned, write.woken) == (0, 0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UploadIncomplete("cut"), UploadIncomplete),
        (StoreTimeout(), ObjectStoreUnavailable),
        (KeyError(), KeyError),
    ],
)
async def test_whatever_fails_gives_up(error: Exception, told: type[Exception]) -> None:
    write = Write()
    with pytest.raises(told):
        await write.fail(error)
    await write.engine.aclose()
    assert (write.abandoned, write.woken) == (1, 1)


async def test_closing_waits_for_what_is_being_given_up() -> None:
    write = Write()
    write.gate.clear()
    write.engine.give_up(write.holder)
    closing = asyncio.create_task(write.engine.aclose())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    write.gate.set()
    await closing
    assert write.abandoned == 1


async def test_an_error_waits_only_for_who_has_patience() -> None:
    hasty, patient = Write(), Write(patience=5)
    hasty.gate.clear()
    for write in (hasty, patient):
        with pytest.raises(UploadIncomplete):
            await write.fail(UploadIncomplete("cut"))
    assert (hasty.abandoned, patient.abandoned) == (0, 1)
    hasty.gate.set()
    await hasty.engine.aclose()
    assert hasty.abandoned == 1


async def test_patience_has_an_end() -> None:
    write = Write(patience=0.05)
    write.gate.clear()
    with pytest.raises(UploadIncomplete):
        await write.fail(UploadIncomplete("cut"))
    assert write.abandoned == 0
    write.gate.set()
    await write.engine.aclose()
    assert write.abandoned == 1


@pytest.mark.parametrize("error", [ServiceUnavailable("away"), RuntimeError("a bug")])
async def test_who_can_not_give_up_leaves_it_to_the_lease(error: Exception) -> None:
    write = Write(error=error)
    with capture_logs() as logs, pytest.raises(UploadIncomplete):
        await write.fail(UploadIncomplete("cut"))
    with capture_logs() as later:
        await write.engine.aclose()
    assert [(entry["event"], entry["blob_id"]) for entry in logs + later] == [("abandon_failed", "b")]
    assert write.woken == 0


async def test_what_somebody_else_has_taken_is_given_up_already() -> None:
    """The cleaner may be at work on an attempt whose commit was refused before its writer gives it up."""
    write = Write(error=UploadSuperseded("taken"))
    with capture_logs() as logs:
        with pytest.raises(UploadIncomplete):
            await write.fail(UploadIncomplete("cut"))
        await write.engine.aclose()
    assert logs == []


@pytest.mark.parametrize(
    ("answers", "given_up"),
    [
        ([ServiceUnavailable("?"), DatabaseUnavailable("?"), None], 0),
        ([PreconditionFailed("no")], 1),
        ([ServiceUnavailable("?"), PreconditionFailed("no")], 1),
        ([ServiceUnavailable("?")] * 3, 0),
    ],
)
async def test_a_commit_is_repeated_and_given_up_only_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, answers: list[StrongroomError | None], given_up: int
) -> None:
    monkeypatch.setattr(module, "TRIES", 3)
    write, left = Write(), list(answers)

    async def step() -> str:
        error = left.pop(0)
        if error is not None:
            raise error
        return "committed"

    if answers[-1] is None:
        assert await write.engine.commit(write.holder, step) == "committed"
    else:
        with pytest.raises(type(answers[-1])):
            await write.engine.commit(write.holder, step)
    await write.engine.aclose()
    assert (left, write.abandoned) == ([], given_up)


async def test_a_commit_is_not_repeated_for_longer_than_its_caller_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)  # less than the first pause
    write, tries = Write(), []

    async def step() -> None:
        tries.append(1)
        raise ServiceUnavailable("?")

    with pytest.raises(ServiceUnavailable):
        await write.engine.commit(write.holder, step)
    assert len(tries) == 1


def test_a_fingerprint_leaves_the_request_id_out_and_nothing_else() -> None:
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), filename="a", request_id="1")
    other = UploadSpec(target=UploadTarget(file=FileTarget()), filename="a", request_id="2")
    assert fingerprint(spec) == fingerprint(other)
    save = BeginSaveRequest(slug="site", request_id="1")
    differing = [
        fingerprint(spec),
        fingerprint(spec, "session"),
        fingerprint(spec, kind="session"),
        fingerprint(UploadSpec(target=UploadTarget(file=FileTarget()), filename="b")),
        fingerprint(save, kind="save files"),
        fingerprint(save, kind="save archive"),
    ]
    assert len(set(differing)) == len(differing)


def test_fingerprints_are_those_of_earlier_releases() -> None:
    """A request that is repeated while a server is upgraded must keep its fingerprint."""
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), filename="a", request_id="1")
    assert fingerprint(spec, "session", "False").hex()[:16] == "e552da1210ec0934"
    assert (
        fingerprint(BeginSaveRequest(slug="site", request_id="1"), kind="save files").hex()[:16]
        == "afc24dc2fa4c21f7"
    )
