"""Runs work in a thread, without leaving it behind when the caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T]) -> T:
    """Run ``work()`` in a thread of the event loop's executor. Raises what ``work`` raises.

    A thread can't be stopped: a cancelled caller waits for it to end. So a permit that the caller holds
    around this is released only when the core is free.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
