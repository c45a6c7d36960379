"""The metrics of several services of one process as one exposition.

Each service counts in its own registry, as if it were alone. Their samples would collide (several have
limits, health checks, loops), so each gets the label ``service``; metrics of the process (memory,
descriptors, garbage, build, event loop, certificates) appear once and without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_OF_THE_PROCESS: Final = (
    "process_",
    "python_",
    "strongroom_build_",
    "strongroom_event_loop_",
    "strongroom_certificate_",
)


class MergedMetrics(Collector):
    """``registries``: by the service's name."""

    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        """Each family once, with the samples of all services."""
        families: dict[str, Metric] = {}
        for service, registry in self._registries.items():
            for found in registry.collect():
                of_the_process = found.name.startswith(_OF_THE_PROCESS)
                if of_the_process and found.name in families:
                    continue
                family = families.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type, found.unit)
                )
                for sample in found.samples:
                    own = {} if of_the_process else {"service": service}
                    family.samples.append(sample._replace(labels={**sample.labels, **own}))
        return families.values()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self)
