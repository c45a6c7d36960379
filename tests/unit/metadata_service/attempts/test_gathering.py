"""Which wishes are grouped, in which order, and what happens to all if a group fails."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence

import pytest

from metadata_service.attempts.gathering import Gathering
from metadata_service.db.database import NothingCommitted
from strongroom.errors import DatabaseUnavailable

_CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="nobody")


class Work:
    """Work of a gathering; the test decides when each group ends."""

    def __init__(self, size: int = 4, workers: int = 1) -> None:
        self.groups: list[list[str]] = []
        self.callers: list[str] = []
        self.may_end = asyncio.Semaphore(0)
        self.failure: BaseException | None = None
        self.gathering = Gathering[str, str](self.run, workers=workers, size=size)

    async def run(self, wishes: Sequence[str]) -> list[str | None]:
        self.groups.append(list(wishes))
        self.callers.append(_CALLER.get())
        await self.may_end.acquire()
        if self.failure is not None:
            raise self.failure
        return [None if wish.endswith("bad") else f"done {wish}" for wish in wishes]

    def ask(self, *wishes: str) -> list[asyncio.Task[str | None]]:
        """`a1`: a wish of owner `a`."""
        return [asyncio.create_task(self.gathering.ask(wish[0], wish)) for wish in wishes]

    def end(self, groups: int = 100) -> None:
        for _ in range(groups):
            self.may_end.release()


async def settle() -> None:
    """Wait until no task can continue without the test."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_is_alone_waits_for_nobody() -> None:
    work = Work()
    work.end()
    assert await work.ask("a1")[0] == "done a1"
    assert work.groups == [["a1"]]


async def test_a_group_is_who_came_while_the_worker_was_busy() -> None:
    work = Work()
    first = work.ask("a1")
    await settle()
    rest = work.ask("a2", "b1", "a3")
    await settle()
    work.end()
    assert await asyncio.gather(*first, *rest) == ["done a1", "done a2", "done b1", "done a3"]
    assert [sorted(group) for group in work.groups] == [["a1"], ["a2", "a3", "b1"]]


async def test_no_more_workers_and_no_larger_groups_than_allowed() -> None:
    work = Work(size=3, workers=2)
    tasks = []
    for number in range(10):
        tasks += work.ask(f"a{number}")
        await settle()
    assert [len(group) for group in work.groups] == [1, 1]
    work.end()
    await asyncio.gather(*tasks)
    assert [len(group) for group in work.groups] == [1, 1, 3, 3, 2]


async def test_a_flood_takes_turns_with_the_others() -> None:
    work = Work(size=4)
    tasks = work.ask("a0")
    await settle()
    tasks += work.ask(*(f"a{number}" for number in range(1, 40)), "b1", "c1")
    await settle()
    work.end()
    await asyncio.gather(*tasks)
    assert work.groups[1] == ["a1", "b1", "c1", "a2"]
    assert work.groups[2] == ["a3", "a4", "a5", "a6"]


async def test_two_floods_share() -> None:
    work = Work(size=5)
    tasks = work.ask("a0")
    await settle()
    tasks += work.ask(*(f"a{number}" for number in range(1, 20)), *(f"b{number}" for number in range(19)))
    await settle()
    work.end()
    await asyncio.gather(*tasks)
    shares = [sum(wish.startswith("a") for wish in group) for group in work.groups[1:7]]
    assert sum(shares) == 15
    assert set(shares) == {2, 3}


async def test_one_that_fails_is_told_to_go_alone_and_the_others_are_served() -> None:
    work = Work()
    work.end()
    assert await asyncio.gather(*work.ask("a1", "b-bad", "c1")) == ["done a1", None, "done c1"]


async def test_when_nothing_was_committed_each_goes_alone_once() -> None:
    work = Work()
    work.failure = NothingCommitted()
    work.end()
    assert await asyncio.gather(*work.ask("a1", "b1", "c1")) == [None, None, None]
    assert len(work.groups) == 1


@pytest.mark.parametrize("failure", [DatabaseUnavailable("gone", retry_after=2.0), RuntimeError("a bug")])
async def test_an_unknown_outcome_is_unknown_for_all(failure: Exception) -> None:
    work = Work()
    work.failure = failure
    work.end()
    answers = await asyncio.gather(*work.ask("a1", "b1", "c1"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
    assert len({id(answer) for answer in answers}) == 3
    assert all(isinstance(answer, DatabaseUnavailable) and answer.retry_after for answer in answers)
    assert len(work.groups) == 1


async def test_a_worker_that_is_cancelled_leaves_its_members_in_doubt() -> None:
    work = Work()
    tasks = work.ask("a1", "b1")
    await settle()
    worker = next(iter(work.gathering.under_way))
    worker.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 2
    with pytest.raises(asyncio.CancelledError):
        await worker


async def test_after_a_failure_the_next_are_served() -> None:
    work = Work()
    work.failure = DatabaseUnavailable("gone")
    work.end()
    with pytest.raises(DatabaseUnavailable):
        await work.ask("a1")[0]
    work.failure = None
    assert await work.ask("a2")[0] == "done a2"


async def test_who_gives_up_waiting_leaves_the_queue() -> None:
    work = Work()
    first = work.ask("a1")
    await settle()
    gone, stays = work.ask("b1", "b2")
    await settle()
    gone.cancel()
    await settle()
    work.end()
    await asyncio.gather(*first, stays)
    assert work.groups == [["a1"], ["b2"]]
    assert work.gathering.deserted == 0
    assert gone.cancelled()


async def test_who_gives_up_under_way_harms_nobody_and_is_counted() -> None:
    work = Work()
    gone, stays = work.ask("a1", "b1")
    await settle()
    gone.cancel()
    await settle()
    work.end()
    assert await stays == "done b1"
    assert gone.cancelled()
    assert work.gathering.deserted == 1


async def test_the_group_is_not_done_in_a_callers_name() -> None:
    work = Work()
    work.end()
    _CALLER.set("ada")
    await asyncio.gather(*work.ask("a1"))
    assert work.callers == ["nobody"]


async def test_draining_waits_for_what_is_under_way() -> None:
    work = Work()
    tasks = work.ask("a1", "b1")
    await settle()
    draining = asyncio.create_task(work.gathering.drained())
    await settle()
    assert not draining.done()
    work.end()
    await draining
    assert await asyncio.gather(*tasks) == ["done a1", "done b1"]
    assert work.gathering.under_way == frozenset()
