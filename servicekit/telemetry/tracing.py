"""Traces: a span for each request, RPC, S3 call, transaction, and piece of background work (docs/tracing.md).

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; then nothing here imports OpenTelemetry, an incoming W3C
``traceparent`` is passed on unchanged, and the cost is one look into an empty dict. OpenTelemetry itself is
behind ``servicekit.telemetry.otel`` (the extra ``otel``).

A span's context travels as ``RequestContext.traceparent``: through gRPC's metadata, the in-process channel
and into tasks. So there is one trace from the gateway to S3 and Postgres, with any distribution over
processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

import structlog

from servicekit.context import RequestContext, bind, current
from servicekit.telemetry.logs import service_name
from servicekit.telemetry.spans import Recorder, Span, Value

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

#: The flag in W3C's trace context.
_SAMPLED: Final = 1

log = structlog.get_logger(__name__)

#: By the service's name, as in its log lines; empty: traces are off.
_recorders: Final[dict[str, Recorder]] = {}


def wanted() -> bool:
    """Whether the standard variables enable traces."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    return not off and exporter == "otlp" and any(os.environ.get(name) for name in ENDPOINTS)


def install(service: str, recorder: Recorder) -> None:
    """Record the spans of ``service`` with ``recorder`` from now on."""
    _recorders[service] = recorder


async def uninstall(service: str) -> None:
    """Record no more spans of ``service``; ended ones are exported."""
    recorder = _recorders.pop(service, None)
    if recorder is not None:
        await asyncio.to_thread(recorder.close)


@contextlib.asynccontextmanager
async def recorded(*services: str) -> AsyncIterator[None]:
    """Record spans of ``services`` during the block, as the standard variables say."""
    if wanted():
        try:
            from servicekit.telemetry.otel import OtelRecorder  # noqa: PLC0415 - an extra, and slow to load
        except ImportError:
            log.warning("traces_off", reason="OpenTelemetry is not installed: pip install 'strongroom[otel]'")
        else:
            for service in services:
                install(service, OtelRecorder.from_environ(service))
    try:
        yield
    finally:
        for service in services:
            await uninstall(service)


def is_on() -> bool:
    """Whether this process records spans."""
    return bool(_recorders)


def origin() -> str | None:
    """The ``traceparent`` of the work in progress. It is stored with work to be done later, whose spans link
    to it.

    None: traces are off, or this trace is not sampled.
    """
    request = current() if _recorders else None
    if request is None or not request.traceparent or not int(request.traceparent[-2:], 16) & _SAMPLED:
        return None
    return request.traceparent


def begin_request(request: RequestContext, name: str, attributes: Mapping[str, Value]) -> Span | None:
    """The span of an incoming request or RPC; spans of its calls are below it. None: traces are off."""
    recorder = _recorders.get(service_name()) if _recorders else None
    if recorder is None:
        return None
    known = {"strongroom.request_id": request.request_id, **attributes}
    span = recorder.begin(name, "server", request.traceparent, known)
    request.traceparent = span.traceparent
    return span


def begin_call(name: str, attributes: Mapping[str, Value]) -> Span | None:
    """The span of a call that the request in progress makes (S3, Postgres). None: traces are off, or this one
    is not recorded.
    """
    recorder = _recorders.get(service_name()) if _recorders else None
    request = current() if recorder is not None else None
    if recorder is None or request is None or not request.traceparent:
        return None
    return recorder.begin(name, "client", request.traceparent, attributes)


def call(name: str, attributes: Mapping[str, Value]) -> contextlib.AbstractContextManager[None]:
    """Like ``begin_call``, around a block."""
    span = begin_call(name, attributes)
    return _UNTRACED if span is None else _around(span)


_UNTRACED: Final = contextlib.nullcontext()


@contextlib.contextmanager
def _around(span: Span) -> Iterator[None]:
    error = ""
    try:
        yield
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        span.end({}, error=error)


@contextlib.contextmanager
def work(name: str, attributes: Mapping[str, Value], *, links: tuple[str, ...] = ()) -> Iterator[None]:
    """Run background work as a new trace. ``links``: the ``traceparent`` of the requests that caused it.

    While it runs, log lines and calls have its trace and a request id.
    """
    recorder = _recorders.get(service_name()) if _recorders else None
    if recorder is None:
        yield
        return
    span = recorder.begin(name, "internal", "", attributes, tuple(link for link in links if link))
    error = ""
    try:
        with bind(RequestContext(uuid.uuid4().hex, traceparent=span.traceparent)):
            yield
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        span.end({}, error=error)
