"""The cyclic garbage collector in a server: what start-up made stays, and need not be looked at again."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

#: New containers between two looks at the youngest generation; Python's 700 are a handful of RPCs.
YOUNG_OBJECTS: Final = 5_000


def settle() -> None:
    """To be called once a process is ready to serve.

    Modules, descriptors and settings (some 200,000 objects) leave the collector's sight: each full collection
    would walk through them, tens of milliseconds in the middle of somebody's request. Memory that start-up
    has freed (files of modules, data of libraries) goes back to the system.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    _trim()


def _trim() -> None:
    """malloc_trim(3), where the C library is glibc: 3 to 5 MiB. While requests come it is never called: pages
    that are given back are faulted in again (``gateway.memory``).
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return
    trim(0)
