"""Prometheus metrics of the gateway.

Routes are labelled by template, never by path. Values invented by clients (such as methods) share one label.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from servicekit.telemetry.metrics_http import Rendered

#: Methods of RFC 9110 and RFC 5789; all others are OTHER.
METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
STATUSES: Final = range(100, 600)
OTHER: Final = "other"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The registry of one gateway, and its metrics."""

    def __init__(self) -> None:
        self.of_process: Rendered | None = None
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        labels = ("method", "route")
        self.requests = Counter(
            "http_requests",
            "Requests answered, by status (499: the client disconnected).",
            (*labels, "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds from the request headers to the end of the response.",
            labels,
            buckets=SECONDS,
            registry=self.registry,
        )
        self._count, self._time = cache(self.requests.labels), cache(self.seconds.labels)  # saves 3 µs each
        self.problems = Counter(
            "http_problems", "Problem responses, by code.", ("reason",), registry=self.registry
        )
        self.running = 0  # a gauge that is asked costs less than one that is told
        in_flight = Gauge("http_requests_in_flight", "Requests in progress.", registry=self.registry)
        in_flight.set_function(lambda: self.running)
        self.received = Counter("http_received_bytes", "Bytes of request bodies.", registry=self.registry)
        self.sent = Counter("http_sent_bytes", "Bytes of response bodies.", registry=self.registry)
        self.connections = Gauge("http_connections", "Open connections.", registry=self.registry)
        self.cut_off = Counter(
            "http_connections_cut",
            "Connections closed for being slow or too many, by reason.",
            ("reason",),
            registry=self.registry,
        )

    def ended(self, method: str, route: str, status: int, seconds: float, reason: str = "") -> None:
        """Count a request that has ended. ``reason``: the code of its problem."""
        known = method if method in METHODS else OTHER
        self._count(known, route, str(status) if status in STATUSES else OTHER).inc()
        self._time(known, route).observe(seconds)
        if reason:
            self.problems.labels(reason).inc()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format (``CONTENT_TYPE``), those of other services in the process
        included.
        """
        return generate_latest(self.registry) if self.of_process is None else self.of_process.render()
