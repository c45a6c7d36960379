"""Spans by OpenTelemetry's SDK, exported over OTLP/gRPC as the ``OTEL_*`` variables say (docs/tracing.md)."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from servicekit.context import TRACEPARENT
from servicekit.telemetry.spans import Kind, Value
from strongroom.version import VERSION

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_KINDS: Final[Mapping[Kind, trace.SpanKind]] = {
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "internal": trace.SpanKind.INTERNAL,
}
#: Loggers with a line for each failed export, and for each retry of it.
_CHATTY: Final = (
    "opentelemetry.exporter",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk._shared_internal",
)

log = structlog.get_logger(__name__)


class OtelSpan:
    """A span of the SDK that has begun."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, attributes: Mapping[str, Value], *, error: str = "", name: str = "") -> None:
        """See ``Span``."""
        if name:
            self._span.update_name(name)
        self._span.set_attributes(attributes)
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


class OtelRecorder:
    """The spans of one service. Each service has its own resource, so that those of one process stay
    separate.
    """

    def __init__(self, service: str, exporter: SpanExporter) -> None:
        resource = Resource.create(
            {
                "service.name": os.environ.get("OTEL_SERVICE_NAME") or service,
                "service.version": VERSION,
                "service.instance.id": str(uuid.uuid4()),
                "strongroom.service": service,
            }
        )
        # The SDK reads sampler, span limits and the processor's sizes from the environment.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(QuietExporter(exporter)))
        self._tracer = self._provider.get_tracer("strongroom", VERSION)

    @classmethod
    def from_environ(cls, service: str) -> OtelRecorder:
        """A recorder for the collector named by the environment."""
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - slow
            OTLPSpanExporter,
        )

        return cls(service, OTLPSpanExporter())

    def begin(
        self, name: str, kind: Kind, parent: str, attributes: Mapping[str, Value], links: tuple[str, ...] = ()
    ) -> OtelSpan:
        """See ``Recorder``."""
        return OtelSpan(
            self._tracer.start_span(
                name,
                context=_PROPAGATOR.extract({TRACEPARENT: parent} if parent else {}),
                kind=_KINDS[kind],
                attributes=attributes,
                links=[trace.Link(_context_of(link)) for link in links],
            )
        )

    def close(self) -> None:
        """See ``Recorder``."""
        self._provider.shutdown()


def _context_of(traceparent: str) -> trace.SpanContext:
    context = _PROPAGATOR.extract({TRACEPARENT: traceparent})
    return trace.get_current_span(context).get_span_context()


class QuietExporter(SpanExporter):
    """Logs once that the collector is away, and once that it is back; drops spans in between."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fails = False
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass on."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever an exporter raises, requests continue
            result = SpanExportResult.FAILURE
            self._told(fails=True, reason=type(error).__name__)
        else:
            self._told(fails=result is not SpanExportResult.SUCCESS, reason="the collector refuses them")
        return result

    def _told(self, *, fails: bool, reason: str) -> None:
        if fails and not self._fails:
            log.warning("traces_lost", reason=reason, until="the line traces_taken_again")
        elif self._fails and not fails:
            log.warning("traces_taken_again")
        self._fails = fails

    def shutdown(self) -> None:
        """Pass on."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Pass on."""
        return self._exporter.force_flush(timeout_millis)
