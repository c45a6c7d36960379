"""An admin's act is held until its outcome is recorded, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from typing import cast

import pytest

from storage_service.attempts.acts import HeldActs
from storage_service.metadata.operations import Acts
from strongroom.errors import (
    ActInProgress,
    ObjectStoreUnavailable,
    RepairRefused,
    ServiceUnavailable,
    UploadSuperseded,
)
from strongroom.metadata.v1 import operations_service_pb2 as pb

DONE, REFUSED = pb.ACT_OUTCOME_DONE, pb.ACT_OUTCOME_REFUSED
FAILED, STOPPED = pb.ACT_OUTCOME_FAILED, pb.ACT_OUTCOME_STOPPED


class Book:
    """Replaces metadata_service. ``lease``: in seconds. ``silent``: number of ends that are not answered."""

    def __init__(self, lease: float = 30.0, silent: int = 0) -> None:
        self.lease, self.silent = lease, silent
        self.begun: list[tuple[str, str, bool]] = []
        self.ended: list[pb.EndActRequest] = []
        self.is_lost = self.is_busy = False

    async def begin(
        self, act: str, token: str, details: Mapping[str, str], *, about: str, changes_objects: bool
    ) -> float:
        assert token
        assert not set(details) & {"about", "token"}
        if self.is_busy:
            raise ActInProgress("root is changing objects just now", retry_after=9.0)
        self.begun.append((act, about, changes_objects))
        return self.lease

    async def renew(self, token: str) -> float:
        if self.is_lost:
            raise UploadSuperseded("held for too long")
        return self.lease

    async def end(self, request: pb.EndActRequest) -> None:
        if self.silent:
            self.silent -= 1
            raise ServiceUnavailable("no answer")
        self.ended.append(request)


def held(book: Book) -> HeldActs:
    return HeldActs(cast("Acts", book))


ENDS: list[tuple[BaseException | None, int, str]] = [
    (None, DONE, ""),
    (RepairRefused("foreign", metadata={"rule": "foreign_bucket"}), REFUSED, "foreign_bucket"),
    (RepairRefused("two are left", metadata={"rule": "some_left"}), FAILED, "some_left"),
    (ObjectStoreUnavailable("no answer"), FAILED, "OBJECT_STORE_UNAVAILABLE"),
    (KeyError("a bug"), FAILED, "INTERNAL"),
    (asyncio.CancelledError(), STOPPED, ""),
    (GeneratorExit(), STOPPED, ""),
]


@pytest.mark.parametrize(("error", "outcome", "reason"), ENDS)
@pytest.mark.parametrize("act", ["repair_findings", "keep_objects", "export_user"])
async def test_each_end_is_written_down(
    act: str, error: BaseException | None, outcome: int, reason: str
) -> None:
    book = Book()
    with nullcontext() if error is None else pytest.raises(type(error)):
        async with held(book).held(act, about="ada", run="x") as counts:
            if outcome != REFUSED:
                counts["done"] += 2
            if error is not None:
                raise error
    assert book.begun == [(act, "ada", act != "export_user")]
    (end,) = book.ended
    assert (end.outcome, end.reason) == (outcome, reason)
    assert dict(end.counts) == ({} if outcome == REFUSED else {"done": 2}), "refused: nothing was touched"
    assert end.more_may_come == (act == "keep_objects" and outcome != REFUSED)


async def test_nothing_is_done_while_another_is_at_it() -> None:
    book = Book()
    book.is_busy = True
    with pytest.raises(ActInProgress):
        async with held(book).held("drop_objects"):
            pytest.fail("it was let in")
    assert book.ended == []


async def test_whoever_loses_it_is_stopped() -> None:
    book = Book(lease=0.15)
    book.is_lost = True
    with pytest.raises(UploadSuperseded):
        async with held(book).held("drop_objects"):
            await asyncio.Event().wait()
    assert [end.outcome for end in book.ended] == [FAILED]


async def test_an_end_is_told_until_it_is_heard_also_when_the_caller_goes_away() -> None:
    book = Book(silent=2)
    acts = held(book)
    began = asyncio.Event()

    async def act() -> None:
        async with acts.held("repair_findings"):
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(act())
    await began.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await acts.aclose()
    assert [end.outcome for end in book.ended] == [STOPPED]


async def test_an_end_that_nobody_hears_fails_nothing() -> None:
    book = Book(silent=99)
    async with held(book).held("keep_objects"):
        pass
    assert book.ended == []
