"""A few at a time per key, in order of arrival."""

from __future__ import annotations

import asyncio

import pytest

from servicekit.limits.counts import Hold, Turns


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_turns_are_taken_in_order_and_by_key() -> None:
    turns, began = Turns(2), list[int]()

    async def one(number: int) -> Hold:
        hold = await turns.turn("ada")
        began.append(number)
        return hold

    tasks = [asyncio.create_task(one(number)) for number in range(5)]
    await settle()
    assert began == [0, 1]
    (await turns.turn("bob")).release()
    for number in range(5):
        (await tasks[number]).release()
        await settle()
        assert began == list(range(min(5, number + 3)))
    assert vars(turns) == {"_at_once": 2, "_taken": {}, "_waiting": {}}


@pytest.mark.parametrize("released_first", [False, True])
async def test_who_gives_up_waiting_takes_no_turn(released_first: bool) -> None:
    turns = Turns(1)
    first = await turns.turn("ada")
    leaving, staying = (asyncio.create_task(turns.turn("ada")) for _ in range(2))
    await settle()
    if released_first:
        first.release()  # its turn has come, and it does not know that yet
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    if not released_first:
        first.release()
    async with asyncio.timeout(60):
        (await staying).release()
    assert vars(turns) == {"_at_once": 1, "_taken": {}, "_waiting": {}}


async def test_a_place_that_ends_while_the_next_one_is_being_cancelled_goes_to_the_one_behind() -> None:
    turns = Turns(1)
    first = await turns.turn("ada")
    leaving, staying = (asyncio.create_task(turns.turn("ada")) for _ in range(2))
    await settle()
    leaving.cancel()  # its future is cancelled at once, its task hears of it in the loop's next round
    first.release()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(60):
        (await staying).release()
    assert vars(turns) == {"_at_once": 1, "_taken": {}, "_waiting": {}}


async def test_a_place_that_ends_while_the_only_one_who_waits_is_being_cancelled_is_free() -> None:
    turns = Turns(1)
    first = await turns.turn("ada")
    leaving = asyncio.create_task(turns.turn("ada"))
    await settle()
    leaving.cancel()
    first.release()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert vars(turns) == {"_at_once": 1, "_taken": {}, "_waiting": {}}
