"""Metrics of refusals, and of the shared counts. No label names a user or an address."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class LimitMetrics:
    """Counters of one process; ``registry`` None: they count, but are not exported."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        registry = registry or CollectorRegistry()
        self._refusals = Counter(
            "limit_refusals",
            "Requests refused by a rate or cap, by limit.",
            ("limit",),
            registry=registry,
        )
        self._registry = registry
        self._shared_up: Gauge | None = None

    def refused(self, limit: str) -> None:
        """Count a refusal."""
        self._refusals.labels(limit).inc()

    def show_shared(self, *, up: bool) -> None:
        """Set whether the shared counts are reachable; if it is never called, the metric does not exist."""
        if self._shared_up is None:
            self._shared_up = Gauge(
                "limits_shared_up",
                "1: replicas count together in Redis; 0: Redis is away, each process counts by itself.",
                registry=self._registry,
            )
        self._shared_up.set(int(up))
