"""The counts of transfers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from storage_service.servicers.transfers import Transfers


def values(metrics: Transfers, name: str) -> dict[tuple[str, str], float]:
    """Return the samples of one metric by family and protocol."""
    registry = CollectorRegistry()
    registry.register(metrics)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [one for family in families for one in family.samples if one.name == name]
    return {(one.labels["family"], one.labels["way"]): one.value for one in samples}
