"""The cyclic garbage collector in a server: what start-up made stays, and need not be looked at again."""

from __future__ import annotations

import gc
from typing import Final

#: New containers between two looks at the youngest generation; Python's 700 are a handful of RPCs.
YOUNG_OBJECTS: Final = 5_000


def settle() -> None:
    """To be called once a process is ready to serve.

    Modules, descriptors and settings (some 200,000 objects) leave the collector's sight: each full collection
    would walk through them, tens of milliseconds in the middle of somebody's request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
