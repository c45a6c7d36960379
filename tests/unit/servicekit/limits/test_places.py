"""With any number of owners, the next one finds a place, and waits only for its own work."""

from __future__ import annotations

import asyncio

import pytest

from servicekit.limits.counts import Hold
from servicekit.limits.places import CappedPlaces, FairPlaces, Halves


def begin(places: FairPlaces, owner: str, count: int) -> list[asyncio.Task[Hold]]:
    return [asyncio.ensure_future(places.take(owner)) for _ in range(count)]


@pytest.mark.parametrize(
    ("total", "expected"), [(16, [8, 4, 2, 1, 1, 0]), (4, [2, 1, 1, 0]), (2, [1, 1, 0]), (1, [1, 0])]
)
async def test_each_owner_has_half_of_what_the_others_leave(total: int, expected: list[int]) -> None:
    places = Halves(total)
    waiting = [task for number in range(len(expected)) for task in begin(places, f"user-{number}", 20)]
    await asyncio.sleep(0)
    assert [places.running(f"user-{number}") for number in range(len(expected))] == expected
    done = 0
    while waiting:  # all have their turn in the end
        finished = [task for task in waiting if task.done()]
        assert finished
        waiting = [task for task in waiting if not task.done()]
        for task in finished:
            task.result().release()
            done += 1
        await asyncio.sleep(0)
    assert done == 20 * len(expected)
    assert sum(places.running(f"user-{number}") for number in range(len(expected))) == 0


async def test_no_owner_has_more_than_its_cap_and_the_others_wait_for_their_turn() -> None:
    places = CappedPlaces(3, per_owner=2)
    ada, bob, eve = (begin(places, owner, 3) for owner in ("ada", "bob", "eve"))
    await asyncio.sleep(0)
    assert [places.running(owner) for owner in ("ada", "bob", "eve")] == [2, 1, 0]
    for _ in range(9):
        done = next(task for task in (*ada, *bob, *eve) if task.done() and not task.cancelled())
        done.result().release()
        for tasks in (ada, bob, eve):
            if done in tasks:
                tasks.remove(done)
        await asyncio.sleep(0)
        assert all(places.running(owner) <= 2 for owner in ("ada", "bob", "eve"))
    assert (ada, bob, eve) == ([], [], [])


async def test_whoever_gives_a_place_back_is_behind_all_who_wait() -> None:
    places = CappedPlaces(1, per_owner=1)
    first, again, other = (begin(places, owner, 1)[0] for owner in ("ada", "ada", "bob"))
    for task, after in ((first, other), (other, again)):
        await asyncio.sleep(0)
        task.result().release()
        await asyncio.sleep(0)
        assert after.done()


async def test_who_has_none_is_next() -> None:
    places = Halves(2)
    first, second = (await places.take("ada")), (await places.take("bob"))
    more, other = begin(places, "ada", 5), begin(places, "eve", 1)
    await asyncio.sleep(0)
    second.release()
    await asyncio.sleep(0)
    assert other[0].done()
    assert not any(task.done() for task in more)
    first.release()
    await asyncio.sleep(0)
    assert sum(task.done() for task in more) == 1
    for task in more:
        task.cancel()
    await asyncio.gather(*more, return_exceptions=True)
    assert places.waiting("ada") == 0
