"""Compresses outgoing ZIPs. Owners take turns, and half of the cores stay free.

One fast reader occupies a whole core, and each user may have several.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

from servicekit.limits.places import CappedPlaces
from servicekit.threads import run_in_thread

#: Half of the cores.
CORES: Final = max(1, (os.cpu_count() or 1) // 2)


class Packing:
    """One instance per process. ``at_once``: pieces compressed in parallel, each of another owner."""

    def __init__(self, at_once: int = CORES) -> None:
        self._cores = CappedPlaces(at_once, per_owner=1)

    async def run(self, owner: str, work: Callable[[bytes], bytes], piece: bytes) -> bytes:
        """Run ``work(piece)`` in a thread when it is ``owner``'s turn, after one piece of each other owner.

        A cancelled caller keeps its core until the thread has finished.
        """
        async with self._cores.place(owner):
            return await run_in_thread(partial(work, piece))
