"""Limits how many imports run at once, and how many of them one user may have running or waiting.

Places are shared fairly, because an import from a silent source occupies one for minutes.
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
"""Places that an owner may have as long as any are free."""
SPARE: Final = 4
"""An owner may have more than ``SURE`` only while fewer than 1/``SPARE`` of all places are taken."""


class FairPermits(CappedPlaces):
    """Places of which an owner may have up to ``per_owner``, or ``SURE`` once the process is busy."""

    def _may_have(self, owner: str) -> bool:
        is_quiet = self._taken.total() < self._total // SPARE
        return super()._may_have(owner) and (is_quiet or self._taken[owner] < SURE)


#: The name of this limit in metrics and errors, like those in servicekit.
LIMIT = "user_queued_imports"
#: Seconds. A guess, because the duration of an import depends on its source.
RETRY_AFTER = 2.0


class ImportQueue:
    """Allows ``most`` imports per owner; 0: no limit. A batch counts as many as it has items."""

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
            # A batch is accepted if its owner has nothing else: otherwise a large one would always be
            # refused.
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
