"""Does the same work on many items, several at a time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from strongroom.task_groups import first_cause

Item = TypeVar("Item")

_BATCH: Final = 64


async def side_by_side(items: Iterator[Item], jobs: int, work: Callable[[Item], Awaitable[None]]) -> None:
    """Run ``work`` for each item, ``jobs`` at a time. An exception ends all of it.

    ``items`` may block, because it is iterated in a thread.
    """
    waiting: list[Item] = []
    asking = asyncio.Lock()

    async def following() -> Item | None:
        async with asking:
            if not waiting:
                waiting.extend(
                    reversed(await asyncio.to_thread(lambda: list(itertools.islice(items, _BATCH))))
                )
            return waiting.pop() if waiting else None

    async def worker() -> None:
        while (item := await following()) is not None:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(jobs):
                group.create_task(worker())
    except BaseExceptionGroup as failed:  # the first one represents all
        raise first_cause(failed) from None
