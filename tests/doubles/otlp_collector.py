"""A trace collector: receives OTLP over gRPC, like a real one, and keeps the spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as stubs

INTERVAL: Final = "50"  # ms between exports


@dataclass(frozen=True)
class Seen:
    """One span. ``service``: its service; ids are hex, ``parent`` is ``""`` for a root."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, str | int | float | bool] = field(hash=False)
    links: tuple[str, ...]
    is_error: bool


class Collector(stubs.TraceServiceServicer):
    """All spans so far. ``address``: for OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self) -> None:
        self.address = ""
        self._spans: list[Seen] = []
        self._lock = threading.Lock()

    @property
    def env(self) -> dict[str, str]:
        """Variables that make processes send spans here soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.address, "OTEL_BSP_SCHEDULE_DELAY": INTERVAL}

    def Export(
        self, request: service.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> service.ExportTraceServiceResponse:
        """See OTLP."""
        with self._lock:
            self._spans += _seen(request)
        return service.ExportTraceServiceResponse()

    def spans(self) -> list[Seen]:
        """Approximately in the order of their ends."""
        with self._lock:
            return list(self._spans)

    def of(self, trace: str) -> list[Seen]:
        """The spans of one trace."""
        return [span for span in self.spans() if span.trace == trace]

    def trace_of(self, request_id: str) -> str:
        """The trace of the gateway's span for a request; ``""`` until it has arrived."""
        roots = (span for span in self.spans() if span.service == "gateway")
        return next((s.trace for s in roots if s.attributes["strongroom.request_id"] == request_id), "")


def _seen(request: service.ExportTraceServiceRequest) -> Iterator[Seen]:
    for resource in request.resource_spans:
        names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {
                    pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
                    for pair in span.attributes
                }
                yield Seen(
                    names["service.name"], span.name, span.kind, span.trace_id.hex(), span.span_id.hex(),
                    span.parent_span_id.hex(), attributes, tuple(link.trace_id.hex() for link in span.links),
                    span.status.code == 2,
                )  # fmt: skip


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """A collector that runs during the block."""
    server = grpc.server(ThreadPoolExecutor(4))
    collector = Collector()
    stubs.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.address = f"http://127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
