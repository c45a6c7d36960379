"""Repeating a step of the protocol whose outcome is unknown (rule R4), for as long as its caller can wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from strongroom.errors import DatabaseUnavailable, DeadlineExceeded, ServiceUnavailable

T = TypeVar("T")

UNKNOWN_OUTCOME: Final = (ServiceUnavailable, DatabaseUnavailable, DeadlineExceeded)
TRIES: Final = 6
#: No try begins later than this after the first one. Seconds; a try takes ``STEP_SECONDS`` at the most, so
#: that the caller hears within ten seconds.
PATIENCE_SECONDS: Final = 3.0


async def until_known(step: Callable[[], Awaitable[T]]) -> T:
    """The answer of ``step``, which may be repeated: a repeat answers the same.

    Raises what it raises; one of ``UNKNOWN_OUTCOME`` only when the last try did, too.
    """
    began = time.monotonic()
    for number in range(TRIES):
        pause = 0.1 * 2**number
        try:
            return await step()
        except UNKNOWN_OUTCOME:
            if number + 1 == TRIES or time.monotonic() - began + pause > PATIENCE_SECONDS:
                raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable: the last try returns or raises")
