"""How large groups are, by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from metadata_service.attempts.gathering import Gathering

_LABELS: Final = ("step",)


class GroupMetrics(Collector):
    """Of the gatherings by name: `reserve`, `commit`."""

    def __init__(self, gatherings: Mapping[str, Gathering[Any, Any]]) -> None:
        self._gatherings = gatherings

    def collect(self) -> Iterable[Metric]:
        """Members ÷ groups is how many attempts share a transaction."""
        groups = CounterMetricFamily(
            "strongroom_groups", "Transactions of attempts that came together.", labels=_LABELS
        )
        members = CounterMetricFamily("strongroom_group_members", "Attempts in them.", labels=_LABELS)
        deserted = CounterMetricFamily(
            "strongroom_group_deserted",
            "Attempts among them that were written when their caller had gone.",
            labels=_LABELS,
        )
        for step, gathering in self._gatherings.items():
            groups.add_metric((step,), gathering.groups)
            members.add_metric((step,), gathering.members)
            deserted.add_metric((step,), gathering.deserted)
        return groups, members, deserted
