"""OpenTelemetry traces, only where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set (exported over OTLP/gRPC).

Without it no span is made, and an incoming W3C ``traceparent`` is handed on as it came.
"""

from __future__ import annotations

import os
from typing import Final

import grpc
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from servicekit.context import TRACEPARENT, RequestContext

VARIABLE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROPAGATOR: Final = TraceContextTextMapPropagator()
#: Statuses that mean the server failed (OpenTelemetry's semantic conventions for gRPC).
_FAILURES: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class Tracing:
    """Makes one server span per RPC and puts its id into the request, from where outgoing calls take it."""

    def __init__(self, service: str, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("servicekit")

    def begin(self, request: RequestContext) -> Span:
        """Start the span of ``request``, below the caller's."""
        parent = _PROPAGATOR.extract({TRACEPARENT: request.traceparent})
        span = self._tracer.start_span(
            request.method.lstrip("/"),
            context=parent,
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "strongroom.request_id": request.request_id},
        )
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, context=set_span_in_context(span))
        request.traceparent = carrier.get(TRACEPARENT, request.traceparent)
        return span

    @staticmethod
    def end(span: Span, code: grpc.StatusCode) -> None:
        """End ``span`` with the RPC's status."""
        span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code in _FAILURES:
            span.set_status(StatusCode.ERROR)
        span.end()

    def shutdown(self) -> None:
        """Export what is left; waits for the collector, but not for ever (the exporter's own time-out)."""
        self._provider.shutdown()


def tracing_from_environ(service: str) -> Tracing | None:
    """Tracing as the standard variables say; None when they say nothing."""
    if not os.environ.get(VARIABLE):
        return None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow

    return Tracing(service, OTLPSpanExporter())
