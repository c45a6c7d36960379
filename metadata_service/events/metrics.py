"""Metrics of watchers: how many there are, and how late they receive events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from strongroom.metadata.v1.notification_service_pb2 import Event


class WatchMetrics(Collector):
    """Metrics of one process."""

    def __init__(self) -> None:
        self._watchers = Gauge("strongroom_watchers", "Open streams of notifications.", registry=None)
        self._sent = Counter("strongroom_notifications_sent", "Events sent to watchers.", registry=None)
        self._lag = Histogram(
            "strongroom_notification_lag_seconds",
            "Seconds from an event's transaction to sending it to a watcher who had read all earlier ones.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0),
            registry=None,
        )

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count one more watcher inside the block."""
        self._watchers.inc()
        try:
            yield
        finally:
            self._watchers.dec()

    def sending(self, event: Event, *, live: bool) -> None:
        """Count an event that is about to be sent. ``live``: its watcher has read all earlier ones, so its
        lag counts.
        """
        self._sent.inc()
        if live:
            created = event.create_time
            self._lag.observe(max(0.0, time.time() - created.seconds - created.nanos / 1e9))

    def collect(self) -> Iterable[Metric]:
        """All metrics of watchers."""
        for metric in (self._watchers, self._sent, self._lag):
            yield from metric.collect()
