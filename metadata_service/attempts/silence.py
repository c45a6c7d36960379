"""Whether a writer whose lease has run out is dead. Not if nobody could have renewed it."""

from __future__ import annotations

import time


class Silence:
    """One per process. ``lease``: seconds. ``away``: this service, or the database, was away until now."""

    def __init__(self, lease: float, *, away: bool = False) -> None:
        self._lease = lease
        self._counts_from = 0.0  # by time.monotonic
        if away:
            self.was_away()

    @property
    def counts(self) -> bool:
        """False: writers have a lease more, from the moment on when renewals were possible again."""
        return time.monotonic() >= self._counts_from

    def was_away(self) -> None:
        """No lease could be renewed up to now."""
        self._counts_from = time.monotonic() + self._lease
