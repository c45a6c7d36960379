"""What is away for an hour is one line of the log, not one for each time that it was asked; and one line says
that it is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Of one thing that is asked again and again. ``fails``, ``works``: the events of both lines, and
    ``facts`` stand in each. ``quiet_seconds``: after a failure it has to do well for so long before it counts
    as back, where it is asked by several at once: what answers every second of them would be back with each.
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
        """It did not do: a line, if it is the first failure of this ``kind`` since it was last well."""
        self._failed_at = self._clock()
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.warning(self._fails, **self._facts, **facts)

    def well(self) -> None:
        """It did: a line, if it had failed."""
        if self._kinds and self._clock() - self._failed_at >= self._quiet:
            log.warning(self._works, **self._facts, after=sorted(self._kinds))
            self._kinds.clear()
