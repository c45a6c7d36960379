"""Logs failing items of a loop: an item's own failure with the item, an outage of the store or of
metadata_service once for all.
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
    """The log of one loop's failures.

    ``fails``: the event about one failing item. ``works``: the event when items succeed again.
    """

    def __init__(self, fails: str, works: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = fails
        self._outage = Outage(fails, works, quiet_seconds=QUIET_SECONDS, clock=clock)

    def failed(self, error: StrongroomError | StoreError, **facts: object) -> None:
        """Log one failed item, named by ``facts``. An outage affects every item, and is logged once."""
        name = type(error).__name__
        if isinstance(error, _AWAY) or (isinstance(error, StoreError) and error.retryable):
            self._outage.failed(name, error=name, **facts)
        else:
            log.warning(self._event, error=name, **facts)

    def well(self) -> None:
        """Note an item that succeeded."""
        self._outage.well()
