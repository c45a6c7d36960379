"""Metrics of repairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, Metric

from storage_service.repairing.outcomes import Repaired
from storage_service.verifying.metrics import VerificationMetrics
from strongroom.enum_words import enum_word
from strongroom.storage.v1 import verify_pb2 as wire


class RepairMetrics(VerificationMetrics):
    """Counts of this process, added to those of verification and scrub."""

    def __init__(self) -> None:
        super().__init__()
        self._repaired: Counter[tuple[str, str]] = Counter()
        self._purged = 0

    def repaired(self, repaired: Repaired) -> None:
        """Count a repaired finding."""
        self._repaired[action_name(repaired.action), outcome_name(repaired.outcome)] += 1

    def purged(self, count: int) -> None:
        """Count entries purged from quarantine."""
        self._purged += count

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        repairs = CounterMetricFamily(
            "strongroom_verify_repairs", "Findings that a repair has processed.", labels=("action", "outcome")
        )
        for names, count in sorted(self._repaired.items()):
            repairs.add_metric(names, count)
        purged = CounterMetricFamily(
            "strongroom_quarantine_purged", "Objects removed from quarantine for good."
        )
        purged.add_metric((), self._purged)
        return [*super().collect(), repairs, purged]


def action_name(action: int) -> str:
    """The action in lower case: ``remove_marker``."""
    return enum_word(wire.RepairAction.DESCRIPTOR, action)


def outcome_name(outcome: int) -> str:
    """The outcome in lower case: ``done``."""
    return enum_word(wire.RepairOutcome.DESCRIPTOR, outcome)
