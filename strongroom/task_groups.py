"""The same work on many items, several at a time; and failures of task groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

Item = TypeVar("Item")

_BATCH: Final = 64


def first_cause(group: BaseExceptionGroup) -> BaseException:
    """The failure that made a task group end; the others are its echoes."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def side_by_side(
    items: Iterable[Item] | AsyncIterator[Item], jobs: int, work: Callable[[Item], Awaitable[object]]
) -> None:
    """Run ``work`` for each item, ``jobs`` at a time. The first exception ends all of it and is raised."""
    waiting = items if isinstance(items, AsyncIterator) else _each(items)
    asking = asyncio.Lock()  # an asynchronous generator serves one caller at a time

    async def worker() -> None:
        while True:
            async with asking:
                try:
                    item = await anext(waiting)
                except StopAsyncIteration:
                    return
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(jobs):
                group.create_task(worker())
    except BaseExceptionGroup as failed:
        raise first_cause(failed) from None


async def read_in_thread(items: Iterator[Item]) -> AsyncGenerator[Item]:
    """Yield the items of an iterator that blocks (it reads a file, say). A thread reads some ahead."""
    while batch := await asyncio.to_thread(lambda: list(islice(items, _BATCH))):
        for item in batch:
            yield item


async def _each(items: Iterable[Item]) -> AsyncGenerator[Item]:
    for item in items:
        yield item
