"""Metrics of one storage_service. They exist from the start and are filled later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storage_service.media.metrics import MediaMetrics
from storage_service.objectstore.s3.metrics import S3Calls
from storage_service.reading.damage import DamageCounts
from storage_service.repairing.metrics import RepairMetrics
from storage_service.scanning.metrics import ScanMetrics
from storage_service.servicers.transfers import Transfers
from storage_service.webhooks.metrics import WebhookMetrics


class Budget(Protocol):
    """A memory budget for one purpose: bytes held, and callers waiting for memory."""

    total: int

    @property
    def used(self) -> int:
        """Bytes of bodies in memory now."""
        ...

    @property
    def waiting(self) -> int:
        """Callers waiting now."""
        ...


class Budgets(Collector):
    """The budgets of this process by purpose, once they exist."""

    def __init__(self) -> None:
        self.all: Mapping[str, Budget] = {}

    def collect(self) -> Iterable[Metric]:
        """One sample for each budget and figure."""
        labels = ("budget",)
        limit = GaugeMetricFamily(
            "strongroom_memory_budget_limit_bytes",
            "Maximum number of bytes of bodies in memory.",
            labels=labels,
        )
        used = GaugeMetricFamily(
            "strongroom_memory_budget_used_bytes", "Bytes of bodies in memory now.", labels=labels
        )
        waiting = GaugeMetricFamily(
            "strongroom_memory_budget_waiters", "Bodies waiting for memory.", labels=labels
        )
        for name, budget in self.all.items():
            limit.add_metric((name,), budget.total)
            used.add_metric((name,), budget.used)
            waiting.add_metric((name,), budget.waiting)
        return limit, used, waiting


class StorageMetrics:
    """All metrics; ``collectors`` for the registry."""

    def __init__(self) -> None:
        self.damage = DamageCounts()
        self.verified = RepairMetrics()
        self.s3 = S3Calls()
        self.transfers = Transfers()
        self.budgets = Budgets()
        self.media = MediaMetrics()
        self.webhooks = WebhookMetrics()
        self.scans = ScanMetrics()

    @property
    def collectors(self) -> tuple[Collector, ...]:
        """The collectors of all metrics."""
        return (
            self.damage,
            self.verified,
            self.s3,
            self.transfers,
            self.budgets,
            self.media,
            self.webhooks,
            self.scans,
        )
