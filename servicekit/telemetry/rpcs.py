"""Prometheus metrics of a process, and the counts of each RPC.

Names follow go-grpc-prometheus, so that the usual dashboards work: ``grpc_server_handled_total``,
``grpc_server_handling_seconds``; also ``grpc_server_in_flight``, ``grpc_server_received_bytes_total`` and
``grpc_server_sent_bytes_total`` (message bytes, without framing), and ``grpc_server_problems_total``
(failures by ErrorReason).

RPCs are counted in plain attributes by the event loop's thread, and converted to metrics when scraped:
prometheus_client's own counters take a lock at each step, several times per RPC and message.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from servicekit.method import Method
from servicekit.telemetry.logs import configure_logging

__all__ = ["MethodStats", "Metrics", "configure_logging", "default_metrics", "render_metrics"]

#: Upper bounds of the duration histogram, seconds.
SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
_LABELS: Final = ("grpc_type", "grpc_service", "grpc_method")


@dataclass(slots=True)
class MethodStats:
    """The counts of one RPC method so far. Bytes are those of messages, ``handled`` is by the name of the
    status.
    """

    method: Method
    in_flight: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0
    handled: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))

    def ended(self, code: str, seconds: float) -> None:
        """Count an RPC that ended with the status ``code`` (its name) after ``seconds``."""
        self.handled[code] = self.handled.get(code, 0) + 1
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds

    @property
    def labels(self) -> tuple[str, str, str]:
        """Values of the common labels."""
        return self.method.kind, self.method.service, self.method.name

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """The histogram in Prometheus' form: each bound with the count up to it."""
        count = 0
        for bound, hits in zip((*map(str, SECONDS), "+Inf"), self.buckets, strict=True):
            count += hits
            yield bound, float(count)


class RpcCollector(Collector):
    """The statistics of all methods as Prometheus metrics."""

    def __init__(self) -> None:
        self.methods: list[MethodStats] = []
        self.problems: dict[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        """One family per figure, one sample per method."""
        handled = CounterMetricFamily(
            "grpc_server_handled", "RPCs ended, by status.", labels=(*_LABELS, "grpc_code")
        )
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds", "Seconds from start to end.", labels=_LABELS
        )
        in_flight = GaugeMetricFamily("grpc_server_in_flight", "RPCs in progress.", labels=_LABELS)
        received = CounterMetricFamily(
            "grpc_server_received_bytes", "Bytes of request messages.", labels=_LABELS
        )
        sent = CounterMetricFamily("grpc_server_sent_bytes", "Bytes of response messages.", labels=_LABELS)
        for stats in self.methods:
            for code, count in stats.handled.items():
                handled.add_metric((*stats.labels, code), count)
            seconds.add_metric(stats.labels, list(stats.cumulative()), stats.seconds)
            in_flight.add_metric(stats.labels, stats.in_flight)
            received.add_metric(stats.labels, stats.received_bytes)
            sent.add_metric(stats.labels, stats.sent_bytes)
        problems = CounterMetricFamily(
            "grpc_server_problems", "RPCs that ended with an error, by ErrorReason.", labels=("reason",)
        )
        for reason, count in self.problems.items():
            problems.add_metric((reason,), count)
        return handled, seconds, in_flight, received, sent, problems


class Metrics:
    """The registry of one process. Services add their own metrics to ``registry``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._rpcs = RpcCollector()
        self._methods: dict[str, MethodStats] = {}
        self.registry.register(self._rpcs)

    def method(self, method: Method) -> MethodStats:
        """The statistics of one RPC method, however it is reached. Not to be called for each RPC."""
        stats = self._methods.get(method.path)
        if stats is None:
            stats = self._methods[method.path] = MethodStats(method)
            self._rpcs.methods.append(stats)
        return stats

    def problem(self, reason: str) -> None:
        """Count an RPC that ended with an error of this reason, a name of ``ErrorReason``."""
        self._rpcs.problems[reason] = self._rpcs.problems.get(reason, 0) + 1

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


_default: list[Metrics] = []


def default_metrics() -> Metrics:
    """The process's own metrics, made at the first call."""
    if not _default:
        _default.append(Metrics())
    return _default[0]


def render_metrics() -> bytes:
    """The process's metrics in Prometheus' text format, for the gateway's ``/metrics``."""
    return default_metrics().render()
