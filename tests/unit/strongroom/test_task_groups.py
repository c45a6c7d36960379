"""The same work on many items."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from strongroom.task_groups import read_in_thread, side_by_side


async def _streamed(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_each_item_once_and_never_more_than_that_many_at_a_time(asynchronous: bool) -> None:
    done, busy, most = list[int](), 0, 0

    async def work(item: int) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(10):  # longer than it takes to ask for the next item
            await asyncio.sleep(0)
        busy -= 1
        done.append(item)

    await side_by_side(_streamed(100) if asynchronous else range(100), 3, work)
    assert sorted(done) == list(range(100))
    assert most == 3


async def test_the_first_failure_ends_all_of_it_and_is_raised_alone() -> None:
    began = list[int]()

    async def work(item: int) -> None:
        began.append(item)
        await asyncio.sleep(0)
        if item == 1:
            raise ValueError(item)
        await asyncio.sleep(60)

    with pytest.raises(ValueError, match="1"):
        await side_by_side(range(100), 4, work)
    assert began == [0, 1, 2, 3]


async def test_items_that_have_to_be_waited_for_are_read_in_a_thread() -> None:
    threads = set[int]()

    def items() -> Iterator[int]:
        for number in range(200):
            threads.add(threading.get_ident())
            yield number

    assert [item async for item in read_in_thread(items())] == list(range(200))
    assert threading.get_ident() not in threads
