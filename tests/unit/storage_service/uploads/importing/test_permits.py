"""Places are shared between owners, not between requests."""

from __future__ import annotations

import asyncio

import pytest

from storage_service.uploads.importing.permits import FairPermits


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class _Holder:
    """Imports that last until the test ends them."""

    def __init__(self, slots: FairPermits) -> None:
        self._slots = slots
        self.tasks: list[asyncio.Task[None]] = []
        self.began: list[str] = []
        self._ends: list[asyncio.Event] = []

    async def start(self, owner: str, count: int = 1) -> list[asyncio.Event]:
        ends = [asyncio.Event() for _ in range(count)]
        self._ends += ends
        self.tasks += [asyncio.create_task(self._hold(owner, end)) for end in ends]
        await _settle()
        return ends

    async def _hold(self, owner: str, end: asyncio.Event) -> None:
        async with self._slots.place(owner):
            self.began.append(owner)
            await end.wait()

    async def end_all(self) -> None:
        for end in self._ends:
            end.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_three_hoarders_leave_room_for_a_fourth() -> None:
    slots = FairPermits(32, 8)
    holder = _Holder(slots)
    for owner in ("ada", "bob", "cy"):
        await holder.start(owner, 50)
    assert [slots.running(owner) for owner in ("ada", "bob", "cy")] == [8, 2, 2]
    assert slots.waiting("ada") == 42
    await holder.start("dan")
    assert slots.running("dan") == 1
    await holder.end_all()
    assert len(holder.began) == 151


@pytest.mark.parametrize(("total", "per_owner"), [(8, 8), (8, 2), (7, 1), (32, 32), (64, 8)])
async def test_a_fourth_always_has_room(total: int, per_owner: int) -> None:
    slots = FairPermits(total, per_owner)
    holder = _Holder(slots)
    for owner in ("ada", "bob", "cy"):
        await holder.start(owner, 50)
    await holder.start("dan")
    assert slots.running("dan") == 1
    await holder.end_all()


async def test_owners_take_turns() -> None:
    slots = FairPermits(1, 1)
    holder = _Holder(slots)
    (first,) = await holder.start("ada")
    await holder.start("ada", 3)
    await holder.start("bob", 2)
    await holder.start("cy")
    first.set()
    await holder.end_all()
    assert holder.began == ["ada", "bob", "cy", "ada", "bob", "ada", "ada"]


async def test_who_is_cancelled_leaves_nothing_behind() -> None:
    slots = FairPermits(1, 1)
    holder = _Holder(slots)
    await holder.start("ada", 3)
    for task in (holder.tasks[1], holder.tasks[0]):
        task.cancel()
    await _settle()
    assert (slots.running("ada"), slots.waiting("ada")) == (1, 0)
    await holder.end_all()
    assert (slots.running("ada"), slots.waiting("ada")) == (0, 0)


async def test_cancelled_in_the_moment_of_the_turn() -> None:
    slots = FairPermits(1, 1)
    holder = _Holder(slots)
    (end,) = await holder.start("ada")
    await holder.start("bob")
    await holder.start("cy")
    end.set()
    await asyncio.sleep(0)
    holder.tasks[1].cancel()  # bob has been given the place, but has not run yet
    await _settle()
    assert holder.began == ["ada", "cy"]
    assert slots.running("bob") == 0
    await holder.end_all()


async def test_a_failure_gives_the_place_back() -> None:
    slots = FairPermits(1, 1)

    async def failing() -> None:
        async with slots.place("ada"):
            raise LookupError

    with pytest.raises(LookupError):
        await failing()
    assert slots.running("ada") == 0


async def test_a_place_that_ends_while_the_next_one_is_being_cancelled_goes_to_the_one_behind() -> None:
    slots = FairPermits(1, 1)
    holder = _Holder(slots)
    (first,) = await holder.start("ada")
    await holder.start("ada", 2)
    running, leaving, _ = holder.tasks
    first.set()  # in the loop's next round the place ends,
    leaving.cancel()  # and then the task is cancelled although its future has a result
    await running
    await holder.end_all()
    assert holder.began == ["ada", "ada"]
    assert slots.running("ada") == 0
    assert slots.waiting("ada") == 0
