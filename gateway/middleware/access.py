"""One log line and the metrics of each request."""

from __future__ import annotations

import time
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metrics import Metrics
from servicekit.context import current
from servicekit.logs import redact, sink

#: Scope key: template of the route that was found.
ROUTE: Final = "strongroom.route"
#: Scope key, set when the client left before the answer was complete.
GONE: Final = "strongroom.gone"
_UNROUTED: Final = "(none)"
_CLIENT_LEFT: Final = 499
_PROBES: Final = frozenset({"/livez", "/healthz", "/readyz", "/metrics"})


class AccessLog:
    """Counts bytes and time; logs when the answer is over, however it ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(receive, send)
        began = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._metrics.in_flight.dec()
            self._ended(scope, exchange, time.perf_counter() - began)

    def _ended(self, scope: Scope, exchange: _Exchange, seconds: float) -> None:
        route: str = scope.get(ROUTE, _UNROUTED)
        status = _CLIENT_LEFT if scope.get(GONE) else exchange.status
        self._metrics.ended(scope["method"], route, status, seconds)
        self._metrics.received.inc(exchange.received)
        self._metrics.sent.inc(exchange.sent)
        fields = {
            "verb": scope["method"],
            "route": route,
            "path": _path(scope, route),
            "status": status,
            "ms": round(seconds * 1000, 1),
            "received": exchange.received,
            "sent": exchange.sent,
            "client": _client(scope),
        }
        sink().http(current(), fields, "debug" if route in _PROBES else "info")


class _Exchange:
    """Counts what passes."""

    __slots__ = ("_receive", "_send", "received", "sent", "status")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
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


def _path(scope: Scope, route: str) -> str:
    """The path asked for; where a token is part of it, the route instead."""
    return route if "{token}" in route else redact(scope["path"][:512])


def _client(scope: Scope) -> Any:
    client = scope.get("client")
    return client[0] if client else None
