"""Compression for ZIPs on their way out, which owners have one after the other and which leaves cores to
everything else: a reader that takes all that comes would keep one busy, and each user may have several.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from servicekit.limits.counts import Turns

#: Half of what there is.
CORES: Final = max(1, (os.cpu_count() or 1) // 2)


class Packing:
    """One per process. ``at_once``: how many pieces are compressed at a time, each of another owner."""

    def __init__(self, at_once: int = CORES) -> None:
        self._of_owner = Turns(1)
        self._cores = asyncio.Semaphore(at_once)

    async def run(self, owner: str, work: Callable[[bytes], bytes], piece: bytes) -> bytes:
        """``work(piece)`` in a thread, when it is the turn of ``owner``, who waits behind one piece of each
        of the others. Who leaves meanwhile keeps its turn until the core is free.
        """
        turn = await self._of_owner.turn(owner)
        try:
            async with self._cores:
                packing = asyncio.ensure_future(asyncio.to_thread(work, piece))
                try:
                    return await asyncio.shield(packing)
                except asyncio.CancelledError:
                    await asyncio.wait([packing])
                    raise
        finally:
            turn.release()
