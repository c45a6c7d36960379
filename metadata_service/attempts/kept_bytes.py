"""Metrics of deleted objects that still wait for their removal, within their read grace or restore window."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from metadata_service.blobs import claims
from metadata_service.db.database import SYSTEM, Database

#: How old the sums may get, in seconds. A window of a week may contain millions of rows; summing them takes a
#: second.
AGE: Final = 300.0


class KeptBytes(Collector):
    """Sums over all owners, at most AGE seconds old, in the process that serves the cleaners."""

    def __init__(self) -> None:
        self._looked_at: float | None = None  # by time.monotonic
        self._objects = self._bytes = 0

    async def look(self, database: Database) -> None:
        """Read the sums, unless that was done less than AGE seconds ago. Raises DatabaseUnavailable."""
        if self._looked_at is not None and time.monotonic() - self._looked_at < AGE:
            return
        [(self._objects, self._bytes)] = await database.read(SYSTEM, claims.KEPT, {})
        self._looked_at = time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """No metrics before the first look: another replica may serve the cleaners."""
        if self._looked_at is None:
            return ()
        return (
            GaugeMetricFamily(
                "strongroom_kept_objects", "Deleted objects whose bytes are still kept.", value=self._objects
            ),
            GaugeMetricFamily(
                "strongroom_kept_bytes", "Bytes of deleted objects that are still kept.", value=self._bytes
            ),
        )
