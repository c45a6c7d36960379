"""Prometheus metrics of a process, and what is counted for each RPC.

Names follow go-grpc-prometheus, so that the usual dashboards work: ``grpc_server_handled_total``,
``grpc_server_handling_seconds``; besides ``grpc_server_in_flight``, ``grpc_server_received_bytes_total`` and
``grpc_server_sent_bytes_total`` (message bytes, without framing).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from servicekit.interceptors.method import Method
from servicekit.logs import configure_logging

__all__ = ["MethodMetrics", "Metrics", "configure_logging", "default_metrics", "render_metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LABELS: Final = ("grpc_type", "grpc_service", "grpc_method")


class Metrics:
    """The registry of one process. Services add their own metrics to ``registry``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.handled = Counter(
            "grpc_server_handled", "RPCs ended, by status.", (*_LABELS, "grpc_code"), registry=self.registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from start to end.",
            _LABELS,
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("grpc_server_in_flight", "RPCs in progress.", _LABELS, registry=self.registry)
        self.received = Counter(
            "grpc_server_received_bytes", "Bytes of request messages.", _LABELS, registry=self.registry
        )
        self.sent = Counter(
            "grpc_server_sent_bytes", "Bytes of response messages.", _LABELS, registry=self.registry
        )

    def method(self, method: Method) -> MethodMetrics:
        """The children of all metrics for one RPC method, looked up once."""
        labels = (method.kind, method.service, method.name)
        return MethodMetrics(self, labels)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format (``CONTENT_TYPE``)."""
        return generate_latest(self.registry)


@dataclass(slots=True)
class MethodMetrics:
    """Counts the RPCs of one method."""

    metrics: Metrics
    labels: tuple[str, str, str]
    in_flight: Gauge = field(init=False)
    received: Counter = field(init=False)
    sent: Counter = field(init=False)
    _seconds: Histogram = field(init=False)
    _handled: dict[grpc.StatusCode, Counter] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.in_flight = self.metrics.in_flight.labels(*self.labels)
        self.received = self.metrics.received.labels(*self.labels)
        self.sent = self.metrics.sent.labels(*self.labels)
        self._seconds = self.metrics.seconds.labels(*self.labels)

    def ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """One RPC ended with ``code`` after ``seconds``."""
        counter = self._handled.get(code)
        if counter is None:
            counter = self._handled[code] = self.metrics.handled.labels(*self.labels, code.name)
        counter.inc()
        self._seconds.observe(seconds)


_default: list[Metrics] = []


def default_metrics() -> Metrics:
    """The process's own metrics, made at the first call."""
    if not _default:
        _default.append(Metrics())
    return _default[0]


def render_metrics() -> bytes:
    """The process's metrics in Prometheus' text format, for the gateway's ``/metrics``."""
    return default_metrics().render()
