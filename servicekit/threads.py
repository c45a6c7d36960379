"""Work in a thread, which a cancelled caller does not leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T]) -> T:
    """``work()`` in a thread of the event loop's executor. Raises what ``work`` raises.

    Nothing stops a thread: a caller that is cancelled waits for it to end. So a permit that the caller holds
    around this is given back only when the core is free.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
