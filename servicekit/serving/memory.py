"""Memory of a server process: parameters of glibc's malloc, and Python's garbage collector.

They are set by the process itself, so that they don't depend on who starts it. malloc has one arena: gRPC's
thread allocates what the event loop frees, and a second arena would keep 12 MiB of that. Blocks of a mebibyte
come from the heap and stay there: returning pages and faulting them in again doubled the CPU of an upload
(benchmarks/README.md). Environment variables (``MALLOC_…``) take precedence.
"""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Final

#: New containers between two collections of the youngest generation; Python's 700 are a handful of RPCs.
YOUNG_OBJECTS: Final = 5_000
#: Variable → parameter of mallopt(3) and its value (arenas; bytes).
_OPTIONS: Final = {
    "MALLOC_ARENA_MAX": (-8, 1),
    "MALLOC_TRIM_THRESHOLD_": (-1, 256 * 1024 * 1024),
    "MALLOC_TOP_PAD_": (-2, 16 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 * 1024 * 1024),
}


def tune_malloc() -> bool:
    """Set the parameters of malloc that the environment does not. Call it before threads start. Returns False
    if the C library is not glibc.
    """
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (ValueError, OSError, AttributeError):
        return False
    for variable, (parameter, value) in _OPTIONS.items():
        if variable not in os.environ:
            mallopt(parameter, value)
    return True


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
    pages would be faulted in again.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return
    trim(0)
