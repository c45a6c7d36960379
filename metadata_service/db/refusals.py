"""Whether the server accepts writes: it refuses them if its disk is full or it is read-only."""

from __future__ import annotations

import time
from typing import Final

import psycopg

from servicekit.outages import Outage

#: After the server has refused a write, it counts as read-only until one succeeds, at most for these seconds.
FULL_SECONDS: Final = 15.0


class Refusals:
    """What the server has said to writes. The log has its words once, and when it takes them again."""

    def __init__(self) -> None:
        self._refused_at: float | None = None
        self._outage = Outage("database_refuses_writes", "database_takes_writes", quiet_seconds=FULL_SECONDS)

    @property
    def over(self) -> bool:
        """Whether the server counts as taking writes."""
        return self._refused_at is None or time.monotonic() - self._refused_at > FULL_SECONDS

    def refused(self, error: psycopg.Error) -> None:
        """Note a refused write."""
        self._refused_at = time.monotonic()
        state, said = error.sqlstate or "", error.diag.message_primary or type(error).__name__
        self._outage.failed(state, sqlstate=state, reason=said)

    def wrote(self) -> None:
        """Note a write that has been committed."""
        self._refused_at = None
        self._outage.well()
