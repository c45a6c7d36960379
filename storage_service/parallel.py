"""Running the same work on many items at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from strongroom.task_groups import first_cause

PARALLEL: Final = 16
"""Parallel requests for one task to the object store, or to metadata_service."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_parallel(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], *, at_once: int = PARALLEL
) -> list[Result]:
    """The results in order; at most ``at_once`` calls run at once. The first error cancels the others."""
    slots = asyncio.Semaphore(at_once)

    async def one(item: Item) -> Result:
        async with slots:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as failed:
        raise first_cause(failed) from failed
    return [task.result() for task in tasks]
