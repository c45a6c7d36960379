"""Metrics of the webhook sender."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector


class WebhookMetrics(Collector):
    """Counts of this process."""

    def __init__(self) -> None:
        self._sent = Counter(
            "strongroom_webhook_deliveries",
            "Webhook requests to targets, by outcome; unrecorded ones are sent again.",
            ("outcome",),
            registry=None,
        )
        self._seconds = Histogram(
            "strongroom_webhook_delivery_seconds",
            "Seconds of a webhook request to a target.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
            registry=None,
        )
        self._under_way = Gauge(
            "strongroom_webhook_deliveries_under_way", "Webhook requests in progress.", registry=None
        )

    def under_way(self, count: int) -> None:
        """Set the number of deliveries in flight."""
        self._under_way.set(count)

    def took(self, seconds: float) -> None:
        """Record the duration of one request in seconds."""
        self._seconds.observe(seconds)

    def ended(self, outcome: str) -> None:
        """Count an outcome: ``delivered``, ``retried``, ``dead``, ``stale`` or ``unrecorded``."""
        self._sent.labels(outcome).inc()

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        for metric in (self._sent, self._seconds, self._under_way):
            yield from metric.collect()
