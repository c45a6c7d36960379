"""A cancelled caller leaves no thread behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from servicekit.threads import run_in_thread

LAST_SECONDS = 60


async def test_the_result_and_the_error_are_the_callers() -> None:
    assert await run_in_thread(lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: 1 // 0)


async def test_a_cancelled_caller_waits_for_its_thread() -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return go.wait(LAST_SECONDS)

    caller = asyncio.ensure_future(run_in_thread(work))
    assert await asyncio.to_thread(begun.wait, LAST_SECONDS)
    caller.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not caller.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
