"""When a request came in, as one process tells it to the next: by that moment it is decided who may do it."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from servicekit.tokens import CLOCK_SKEW_SECONDS

#: How far the clock of the process that tells it may be off, seconds.
LEEWAY_SECONDS: Final = CLOCK_SKEW_SECONDS + 30
#: No request lasts longer (``servicekit.channels.STREAM_SECONDS``), clocks that differ included.
MAX_REQUEST_SECONDS: Final = 24 * 3600.0 + LEEWAY_SECONDS


def digest_of(token: str) -> bytes:
    """What a token is known by where it must not be kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def is_possible(arrived: float) -> bool:
    """Whether a request in progress can have come in then (seconds since 1970): no longer ago than any
    request lasts, and not to come.
    """
    now = time.time()
    return now - MAX_REQUEST_SECONDS <= arrived <= now + LEEWAY_SECONDS
