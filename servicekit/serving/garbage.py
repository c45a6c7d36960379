"""The cyclic garbage collector in a server: objects from start-up are exempt from collections."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

#: New containers between two collections of the youngest generation; Python's 700 are a handful of RPCs.
YOUNG_OBJECTS: Final = 5_000


def settle() -> None:
    """Tune the garbage collector once a process is ready to serve.

    Exempts modules, descriptors and settings (some 200,000 objects) from collection: each full collection
    would visit them, which takes tens of milliseconds during a request. Memory freed after start-up (files of
    modules, data of libraries) is returned to the system.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    _trim()


def _trim() -> None:
    """Call malloc_trim(3), if the C library is glibc: 3 to 5 MiB. Not while there are requests: returned
    pages would be faulted in again (``gateway.memory``).
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return
    trim(0)
