"""What a loop tells of items that fail: of each what is wrong with it, of all together that the store or
metadata_service is away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from servicekit.outages import Outage
from storage_service.objectstore.errors import StoreError
from strongroom.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    ObjectStoreThrottled,
    ObjectStoreUnavailable,
    ServiceUnavailable,
    StrongroomError,
)

log = structlog.get_logger(__name__)

QUIET_SECONDS: Final = 5.0
_AWAY: Final = (
    DatabaseUnavailable,
    DeadlineExceeded,
    ObjectStoreThrottled,
    ObjectStoreUnavailable,
    ServiceUnavailable,
)


class FailingItems:
    """Those of one loop. ``fails``: the event of a line about an item; ``works``: of the one that says that
    items do well again.
    """

    def __init__(self, fails: str, works: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = fails
        self._outage = Outage(fails, works, quiet_seconds=QUIET_SECONDS, clock=clock)

    def failed(self, error: StrongroomError | StoreError, **facts: object) -> None:
        """One item has; ``facts`` name it. What is away meets every one: that is one line."""
        name = type(error).__name__
        if isinstance(error, _AWAY) or (isinstance(error, StoreError) and error.retryable):
            self._outage.failed(name, error=name, **facts)
        else:
            log.warning(self._event, error=name, **facts)

    def well(self) -> None:
        """One item has come to its end."""
        self._outage.well()
