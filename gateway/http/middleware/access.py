"""One log line and the metrics of each request."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metrics import OTHER, Metrics
from servicekit.context import RequestContext, current
from servicekit.telemetry import tracing
from servicekit.telemetry.logs import Level, level_of_status, redact, sink
from servicekit.telemetry.spans import Span, Value

#: Scope key: template of the route that was found.
ROUTE: Final = "strongroom.route"
#: Scope key, set if the client left before the response was complete.
GONE: Final = "strongroom.gone"
#: Scope key, set to the log line's level if the response ended early, whatever its status says.
BROKEN: Final = "strongroom.broken"
#: Scope key: the status to count in metrics if callers can cause the 5xx at will; None: the status itself.
COUNTED: Final = "strongroom.counted"
#: Scope key, set if the server has answered in the application's place: status and reason.
CUT: Final = "strongroom.cut"
_UNROUTED: Final = "(none)"
_CLIENT_LEFT: Final = 499
#: Answers to what is not HTTP/1.1 as spoken here: methods, transfer codings, versions.
_NOT_SPOKEN: Final = frozenset({501, 505})
_PROBES: Final = frozenset({"/livez", "/healthz", "/readyz", "/metrics"})


class AccessLog:
    """Counts bytes and time of a request, and logs when it ends, in whatever way."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(receive, send)
        span = _begin_span(scope, scope["method"])
        self._metrics.running += 1
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._metrics.running -= 1
            if CUT in scope:
                exchange.status = _cut_by_server(scope)
            elif scope.get(GONE):
                exchange.status = _CLIENT_LEFT
            _note(self._metrics, scope, scope["method"], exchange)
            if span is not None:
                _end_span(span, scope, scope["method"], exchange)


class SocketLog:
    """The same for WebSockets: the status of the handshake (101, a refusal's, or 499), and all bytes sent."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _SocketExchange(receive, send)
        span = _begin_span(scope, "GET")
        self._metrics.running += 1
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if exchange.status:
                raise
            # the connection ended before its handshake was answered
        finally:
            self._metrics.running -= 1
            exchange.status = exchange.status or _CLIENT_LEFT
            _note(self._metrics, scope, "GET", exchange)
            if span is not None:
                _end_span(span, scope, "GET", exchange)


def _cut_by_server(scope: Scope) -> int:
    status, reason = scope[CUT]
    if (request := current()) is not None:
        request.reason = reason
    return int(status)


def _note(metrics: Metrics, scope: Scope, method: str, exchange: _Exchange) -> None:
    route: str = scope.get(ROUTE, _UNROUTED)
    seconds = time.perf_counter() - exchange.began
    request, client = current(), scope.get("client")
    reason = request.reason if request is not None else ""
    counted = scope.get(COUNTED) or exchange.status
    metrics.ended(method, route, counted, seconds, reason)
    metrics.received.inc(exchange.received)
    metrics.sent.inc(exchange.sent)
    fields: dict[str, object] = {
        "verb": method[:32],
        "route": route,
        "path": _path(scope, route),
        "status": exchange.status,
        "ms": round(seconds * 1000, 1),
        "received": exchange.received,
        "sent": exchange.sent,
        "client": client[0] if client else None,
    }
    if request is not None and request.file_id:
        fields["file_id"] = request.file_id
    if reason:
        fields["reason"] = reason
    if request is not None and request.message:
        fields["message"] = request.message
    quiet = route in _PROBES
    level: Level = scope.get(BROKEN) or level_of_status(counted, quiet=quiet, reason=reason)
    sink().http(request, fields, level)


def note_refused(
    metrics: Metrics, request: RequestContext, status: int, client: tuple[str, int] | None
) -> None:
    """Log a response given in the application's place: no HTTP, headers too large, or too slow.

    The requested path is not known or not trustworthy. For a request that the application has begun see
    ``CUT``.
    """
    metrics.ended(OTHER, _UNROUTED, status, 0.0, request.reason)
    fields: dict[str, object] = {"route": _UNROUTED, "status": status, "reason": request.reason}
    level: Level = "info" if status in _NOT_SPOKEN else level_of_status(status, quiet=False)
    sink().http(request, {**fields, "client": client[0] if client else None}, level)


#: Methods named in spans; others are one value (OpenTelemetry's semantic conventions).
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _begin_span(scope: Scope, method: str) -> Span | None:
    request = current()
    if not tracing.is_on() or request is None or scope["path"] in _PROBES:
        return None
    known = method if method in _METHODS else "_OTHER"
    return tracing.begin_request(request, known, {"http.request.method": known})


def _end_span(span: Span, scope: Scope, method: str, exchange: _Exchange) -> None:
    route: str = scope.get(ROUTE, _UNROUTED)
    request = current()
    attributes: dict[str, Value] = {
        "http.response.status_code": exchange.status,
        "http.request.body.size": exchange.received,
        "http.response.body.size": exchange.sent,
    }
    name = ""
    if route != _UNROUTED:
        attributes["http.route"] = route
        name = f"{method} {route}"
    if request is not None and request.reason:
        attributes["strongroom.reason"] = request.reason
    span.end(attributes, error=str(exchange.status) if exchange.status >= 500 else "", name=name)


class _Exchange:
    """Counts the bytes of messages."""

    __slots__ = ("_receive", "_send", "began", "received", "sent", "status")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.began = time.perf_counter()
        self.received = 0
        self.sent = 0
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.sent += len(message.get("body", b""))
        await self._send(message)


class _SocketExchange(_Exchange):
    """Counts the messages of a WebSocket."""

    __slots__ = ()

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self.status = 101
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        self.sent += len(message.get("text") or message.get("body") or "")
        await self._send(message)


def _path(scope: Scope, route: str) -> str:
    """The requested path, or the route's template if it contains a token. A path without a route may contain
    one, so it is redacted.
    """
    return route if "{token}" in route else redact(scope["path"][:2048])[:512]
