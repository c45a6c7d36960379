"""A process with a wrong wall clock in everything that Python code reads; durations are right."""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import Any


def shift_clock(seconds: float) -> None:
    """From now on this process's clock is ahead. Modules that have imported ``datetime`` get the wrong
    one.
    """
    right, right_ns, real = time.time, time.time_ns, dt.datetime

    class AsReal(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real)

    class Shifted(real, metaclass=AsReal):  # type: ignore[misc,valid-type]
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return real.fromtimestamp(right() + seconds, tz)

        @classmethod
        def utcnow(cls) -> Any:
            return real.fromtimestamp(right() + seconds, dt.UTC).replace(tzinfo=None)

    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)
    for module in list(sys.modules.values()):
        if getattr(module, "datetime", None) is real:
            module.datetime = Shifted  # type: ignore[attr-defined]
