"""Metrics of scanning: bodies by outcome, durations, and whether the scanner answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

#: ``oversized``, ``failed``: there is no verdict; the body was refused or stored unscanned.
Outcome = Literal["clean", "infected", "oversized", "failed"]
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ScanMetrics(Collector):
    """Counts of this process."""

    def __init__(self) -> None:
        self._scans = Counter(
            "strongroom_scans", "Bodies sent to the scanner, by outcome.", ("outcome",), registry=None
        )
        self._bytes = Counter("strongroom_scan_bytes", "Bytes sent to the scanner.", registry=None)
        self._seconds = Histogram(
            "strongroom_scan_verdict_seconds",
            "Seconds from the last byte of a body to its verdict.",
            buckets=_BUCKETS,
            registry=None,
        )
        self._up = Gauge("strongroom_scanner_up", "0: the scanner does not answer.", registry=None)
        self._up.set(1)
        for outcome in ("clean", "infected", "oversized", "failed"):
            self._scans.labels(outcome)

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        for metric in (self._scans, self._bytes, self._seconds, self._up):
            yield from metric.collect()

    def ended(self, outcome: Outcome) -> None:
        """Count a finished scan."""
        self._scans.labels(outcome).inc()

    def judged(self, seconds: float) -> None:
        """Record the time between the last byte and the verdict. Seconds."""
        self._seconds.observe(seconds)

    def sent(self, size: int) -> None:
        """Count bytes sent to the scanner."""
        self._bytes.inc(size)

    def answers(self, *, well: bool) -> None:
        """Set whether the scanner answers."""
        self._up.set(well)
