"""Metrics of requests to the store: operations, outcomes and durations, each try counted."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from servicekit.telemetry.spans import Span, Value
from servicekit.telemetry.tracing import begin_call, is_on
from storage_service.objectstore.errors import StoreError

T = TypeVar("T")

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
#: Seconds between two readings of the store's clock from its replies.
CLOCK_SECONDS: Final = 10.0
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


def outcome_of(error: BaseException | None) -> str:
    """Return ``ok``, ``cancelled``, the class of the StoreError (``object_not_found``, ``store_timeout``), or
    ``bug``.
    """
    if error is None:
        return "ok"
    if isinstance(error, StoreError):
        return _WORD.sub("_", type(error).__name__).lower()
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "bug"


@cache
def _attributes(operation: str) -> Mapping[str, Value]:
    return {"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": operation}


def _end(span: Span, failure: BaseException | None) -> None:
    outcome = outcome_of(failure)
    attributes: dict[str, Value] = {"strongroom.outcome": outcome}
    status = failure.http_status if isinstance(failure, StoreError) else None
    if status:
        attributes["http.response.status_code"] = status
    span.end(attributes, error="" if failure is None else outcome)


class S3Calls(Collector):
    """Metrics of one process. Operations are S3's names (``PutObject``), statuses HTTP's (``none``: no
    reply).
    """

    def __init__(self) -> None:
        labels = ("operation",)
        self._requests = Counter(
            "strongroom_s3_requests",
            "Requests to the store, by outcome; each try counts.",
            (*labels, "outcome", "status"),
            registry=None,
        )
        self._seconds = Histogram(
            "strongroom_s3_request_duration_seconds",
            "Seconds of a request and its wait for a thread, to the response's end (GetObject: headers).",
            labels,
            buckets=SECONDS,
            registry=None,
        )
        self._retries = Counter(
            "strongroom_s3_retries", "Retries of requests to the store.", labels, registry=None
        )
        self._sent = Counter("strongroom_s3_sent_bytes", "Bytes of bodies sent.", labels, registry=None)
        self._received = Counter("strongroom_s3_received_bytes", "Bytes of objects read.", registry=None)
        self._clock = Gauge(
            "strongroom_clock_offset_seconds",
            "Seconds by which the clock of `of` is ahead of this one.",
            ("of",),
            registry=None,
        )
        self._clock_read = -CLOCK_SECONDS
        self._count, self._time = cache(self._requests.labels), cache(self._seconds.labels)
        self._count_sent = cache(self._sent.labels)

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        for metric in (self._requests, self._seconds, self._retries, self._sent, self._received, self._clock):
            yield from metric.collect()

    def counted(
        self, operation: str, attempt: Callable[[], Awaitable[T]], *, size: int = 0, again: bool = False
    ) -> Callable[[], Awaitable[T]]:
        """Return ``attempt`` with each run counted.

        ``size``: bytes of its body. ``again``: its first run is already a retry.
        """
        tried = again

        async def counting() -> T:
            nonlocal tried
            if tried:
                self._retries.labels(operation).inc()
            tried = True
            began = time.perf_counter()
            failure: BaseException | None = None
            span = begin_call(f"S3 {operation}", _attributes(operation)) if is_on() else None
            try:
                return await attempt()
            except BaseException as error:
                failure = error
                raise
            finally:
                self._time(operation).observe(time.perf_counter() - began)
                self.ended(operation, failure)
                if span is not None:
                    _end(span, failure)
                if size and failure is None:
                    self._count_sent(operation).inc(size)

        return counting

    def ended(self, operation: str, error: BaseException | None) -> None:
        """Count a request that has ended, or a reply whose body broke off."""
        status = error.http_status if isinstance(error, StoreError) else None
        known = "2xx" if error is None else str(status) if status else "none"
        self._count(operation, outcome_of(error), known).inc()

    def received(self, size: int) -> None:
        """Count bytes of an object that were received."""
        self._received.inc(size)

    def dated(self, date: str | None) -> None:
        """Read the store's clock from a reply's Date header (RFC 9110 section 6.6.1)."""
        now = time.monotonic()
        if date is None or now - self._clock_read < CLOCK_SECONDS:
            return
        self._clock_read = now
        try:
            theirs = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        # The header is cut to whole seconds: on average, half a second has passed since.
        self._clock.labels("object_store").set(round(theirs + 0.5 - time.time()))
