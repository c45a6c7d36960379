"""Compression of the ZIPs that are sent. Owners take turns, and half of the cores stay free: one fast reader
keeps a whole core busy, and each user may have several.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

from servicekit.limits.places import CappedPlaces
from servicekit.threads import run_in_thread

#: Half of what there is.
CORES: Final = max(1, (os.cpu_count() or 1) // 2)


class Packing:
    """One per process. ``at_once``: how many pieces are compressed at a time, each of another owner."""

    def __init__(self, at_once: int = CORES) -> None:
        self._cores = CappedPlaces(at_once, per_owner=1)

    async def run(self, owner: str, work: Callable[[bytes], bytes], piece: bytes) -> bytes:
        """``work(piece)`` in a thread, once it is the turn of ``owner``, who waits behind one piece of each
        of the others. A caller that is cancelled keeps its core until the thread is done with it.
        """
        async with self._cores.place(owner):
            return await run_in_thread(partial(work, piece))
