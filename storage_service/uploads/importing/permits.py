"""How many imports run at once, shared fairly: a source that says nothing holds its permit for minutes, and
nobody may hold all of them. And how many one user may have, running or waiting for their turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from servicekit.context import current_principal
from servicekit.limits.places import CappedPlaces
from strongroom.errors import RateLimited
from strongroom.metadata.v1.target_pb2 import UploadSpec

SURE: Final = 2
"""Places that each owner may have as long as there are any."""
SPARE: Final = 4
"""An owner gets more than that only while fewer than one place in this many is taken."""


class FairPermits(CappedPlaces):
    """One owner has up to ``per_owner`` of the places, two once the process is busy."""

    def _may_have(self, owner: str) -> bool:
        is_quiet = self._taken.total() < self._total // SPARE
        return super()._may_have(owner) and (is_quiet or self._taken[owner] < SURE)


#: As in metrics and errors, beside the limits of servicekit.
LIMIT = "user_queued_imports"
#: When it is worth asking again: a proposal, as nobody knows how long a source takes. Seconds.
RETRY_AFTER = 2.0


class ImportQueue:
    """At most ``most`` per owner; 0: no cap. A batch counts as many as it has items."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queued: Counter[str] = Counter()

    @contextmanager
    def places(self, specs: Sequence[UploadSpec]) -> Iterator[None]:
        """Count ``specs`` for their owners until the block ends: all of them or none.

        :raises RateLimited: an owner would have too many.
        """
        caller = current_principal().subject
        wanted = Counter(spec.user_id or caller for spec in specs)
        for owner, count in wanted.items():
            # A batch is let in where it is alone: it would be refused for ever.
            if self._most and self._queued[owner] and self._queued[owner] + count > self._most:
                raise RateLimited(
                    f"Too many: you may have {self._most} imports running and waiting, and have"
                    f" {self._queued[owner]}; this request brings {count} more. Try again when some are"
                    " done.",
                    retry_after=RETRY_AFTER,
                    metadata={"limit": LIMIT},
                )
        self._queued.update(wanted)
        try:
            yield
        finally:
            self._queued.subtract(wanted)
            for owner in wanted:
                if not self._queued[owner]:
                    del self._queued[owner]
