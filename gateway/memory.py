"""Parameters of glibc's malloc, set by the process itself, so that they don't depend on who starts it.

One arena: gRPC's thread allocates what the event loop frees, and a second arena would keep 12 MiB of that.
Blocks of a mebibyte come from the heap and stay there: returning pages and faulting them in again doubled the
CPU of an upload (benchmarks/README.md). Environment variables (``MALLOC_…``) take precedence.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

#: Variable → parameter of mallopt(3) and its value (arenas; bytes).
_OPTIONS: Final = {
    "MALLOC_ARENA_MAX": (-8, 1),
    "MALLOC_TRIM_THRESHOLD_": (-1, 256 * 1024 * 1024),
    "MALLOC_TOP_PAD_": (-2, 16 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 * 1024 * 1024),
}


def tune_malloc() -> bool:
    """Set the parameters that the environment does not. Call it before threads start. Returns False if the C
    library is not glibc.
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
