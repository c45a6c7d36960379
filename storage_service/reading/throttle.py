"""Limits what readers cause for an object to once an hour, however many they are."""

from __future__ import annotations

import time
from typing import Final

from storage_service.objectstore.values import ObjectRef

AGAIN_SECONDS: Final = 3600.0
"""Pause after it was done."""
RETRY_SECONDS: Final = 10.0
"""Pause after it failed; the next reader after that causes it again."""
MOST_REMEMBERED: Final = 10_000
"""Objects that are remembered; the oldest are forgotten first."""


class Throttle:
    """Remembers for which objects something was done or has failed lately."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._quiet_until: dict[ObjectRef, float] = {}

    def __contains__(self, ref: ObjectRef) -> bool:
        """Whether it was done or tried for this object; perhaps long ago."""
        return ref in self._quiet_until

    def is_due(self, ref: ObjectRef) -> bool:
        """Whether it may be done now."""
        return time.monotonic() >= self._quiet_until.get(ref, 0.0)

    def begun(self, ref: ObjectRef) -> None:
        """It is being done: not again for an hour, unless it fails."""
        self._keep_quiet(ref, AGAIN_SECONDS)

    def failed(self, ref: ObjectRef) -> None:
        """It has failed: not again for ten seconds."""
        self._keep_quiet(ref, RETRY_SECONDS)

    def _keep_quiet(self, ref: ObjectRef, seconds: float) -> None:
        self._quiet_until.pop(ref, None)  # moves it to the end, so that the oldest entries are first
        self._quiet_until[ref] = time.monotonic() + seconds
        if len(self._quiet_until) > self._most:
            del self._quiet_until[next(iter(self._quiet_until))]
