"""Whether a writer whose lease is over is presumed dead: not while it could not have renewed the lease."""

from __future__ import annotations

import time


class Silence:
    """One per process. ``lease``: seconds. ``away``: leases could not be renewed until now."""

    def __init__(self, lease: float, *, away: bool = False) -> None:
        self._lease = lease
        self._counts_from = 0.0  # by time.monotonic
        if away:
            self.was_away()

    @property
    def counts(self) -> bool:
        """Whether an expired lease means a dead writer. False for one lease after renewals became possible
        again.
        """
        return time.monotonic() >= self._counts_from

    def was_away(self) -> None:
        """Note that no lease could be renewed until now."""
        self._counts_from = time.monotonic() + self._lease
