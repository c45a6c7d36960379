"""Logs an outage once when it begins and once when it ends, however often the thing is asked meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Logs when one thing that is asked repeatedly begins to fail, and when it works again. ``fails``,
    ``works``: the events of the two lines, each with ``facts``.

    ``quiet_seconds``: after a failure it must succeed for this long before it counts as back. Needed if
    several callers ask it: something that answers every second call would otherwise be back after each.
    """

    def __init__(
        self,
        fails: str,
        works: str,
        *,
        quiet_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        **facts: object,
    ) -> None:
        self._fails = fails
        self._works = works
        self._quiet = quiet_seconds
        self._clock = clock
        self._facts = facts
        self._kinds: set[str] = set()
        self._failed_at = 0.0

    def failed(self, kind: str, **facts: object) -> None:
        """Note a failure; logged if it is the first of this ``kind`` since the last recovery."""
        self._failed_at = self._clock()
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.warning(self._fails, **self._facts, **facts)

    def well(self) -> None:
        """Note a success; logged if it had failed."""
        if self._kinds and self._clock() - self._failed_at >= self._quiet:
            log.warning(self._works, **self._facts, after=sorted(self._kinds))
            self._kinds.clear()
