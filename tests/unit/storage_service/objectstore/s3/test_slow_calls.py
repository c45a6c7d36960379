"""Calls that take minutes: one caller's copies leave threads for others' completions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from servicekit.auth.principal import Principal
from servicekit.context import bind, for_caller
from storage_service.objectstore.s3.client import Offload

LONG = 60.0


@pytest.fixture
async def offload() -> AsyncIterator[Offload]:
    pools = Offload(max_writes=1, max_reads=1, max_control_calls=4)
    yield pools
    await pools.close()


class Copies:
    """Calls that last until the test ends them. ``began``: the calls that have got a thread."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._end = threading.Event()
        self.began: list[str] = []

    def start(self, user: str, count: int, timeout: float = LONG) -> list[asyncio.Task[None]]:
        def call() -> None:
            self.began.append(user)
            self._end.wait(LONG)

        with bind(for_caller(Principal(subject=user))):
            return [
                asyncio.create_task(self._offload.control(call, timeout, slow=True)) for _ in range(count)
            ]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(LONG):
            while len(self.began) < count:  # noqa: ASYNC110 - they begin in threads
                await asyncio.sleep(0.005)

    def end(self) -> None:
        self._end.set()


async def test_callers_leave_threads_to_each_other(offload: Offload) -> None:
    """Two accounts of one person don't get all threads."""
    copies = Copies(offload)
    tasks = copies.start("mallory", 20)
    await copies.until(2)
    tasks += copies.start("mallory-2", 20)
    await copies.until(3)
    tasks += copies.start("alice", 2)
    await copies.until(4)
    assert copies.began == ["mallory", "mallory", "mallory-2", "alice"]
    copies.end()
    await asyncio.gather(*tasks)
    assert copies.began.count("mallory") == 20


async def test_a_call_that_is_given_up_keeps_its_turn_until_its_thread_has_ended(offload: Offload) -> None:
    copies = Copies(offload)
    given_up = copies.start("mallory", 2, timeout=0.01)
    await copies.until(2)
    for failed in await asyncio.gather(*given_up, return_exceptions=True):
        assert isinstance(failed, TimeoutError)
    tasks = copies.start("mallory", 2) + copies.start("alice", 1)
    await copies.until(3)
    assert copies.began == ["mallory", "mallory", "alice"]
    copies.end()
    await asyncio.gather(*tasks)
    assert copies.began.count("mallory") == 4
