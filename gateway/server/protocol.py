"""One HTTP/1.1 connection: uvicorn's httptools protocol, with limits on what a client may hold.

Left to uvicorn alone, a connection that never sends a request, drips a header or a body, or never reads its
answer lives for ever, and headers may grow without bound. ``Guard`` looks at every connection once a second
and calls ``overdue``.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, ClassVar, Final

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.client import CLIENT
from gateway.metrics import Metrics
from gateway.problems import raw_problem
from gateway.server.body import RequestBody
from gateway.server.limits import ConnectionLimits
from gateway.server.long_body import LONG_BYTES, LongBody
from gateway.server.pace import BodyPace, SendPace
from gateway.server.peer import has_left

MAX_HEADERS: Final = 100


class HeadTooLarge(Exception):
    """Request line and headers pass the limit."""


class GuardedProtocol(HttpToolsProtocol):
    """A connection under ``limits``. uvicorn makes them, so limits and metrics sit on a subclass:
    ``with_limits``.
    """

    limits: ClassVar[ConnectionLimits]
    metrics: ClassVar[Metrics]

    @classmethod
    def with_limits(cls, limits: ConnectionLimits, metrics: Metrics) -> type[GuardedProtocol]:
        """The class to give to uvicorn."""
        return type("LimitedProtocol", (cls,), {"limits": limits, "metrics": metrics})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_since: float | None = None
        self._head_bytes = 0
        self._fed_bytes = 0
        self._body: RequestBody | None = None
        self._running: RequestBody | None = None
        self._queued: dict[RequestResponseCycle, RequestBody] = {}
        self._body_length: int | None = None
        self._body_pace = BodyPace(self.limits)
        self._send_pace = SendPace(self.limits)

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Accept the connection, or say that there are too many."""
        super().connection_made(transport)
        self.metrics.connections.inc()
        self._head_since = time.monotonic()
        if len(self.connections) > self.limits.max_connections:
            self._cut("connections", 503, "OVERLOADED", "Too many connections; try again.", retry_after=2)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request in progress sees ``http.disconnect``."""
        self.metrics.connections.dec()
        super().connection_lost(exc)
        self._tell_left()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what it has of an unfinished head counts against the limit."""
        if self.transport.is_closing():
            return
        if self._head_since is None and self._between_requests():
            self._head_since = time.monotonic()
        super().data_received(data)
        if self._head_since is not None:  # still: all of it belongs to a head that goes on
            self._fed_bytes += len(data)
            if self._fed_bytes > self.limits.max_header_bytes:
                self._refuse_head()
        elif self._body is not None:
            self._read_on(self._body)

    def _read_on(self, body: RequestBody) -> None:
        """Read the rest of a long body without the parser."""
        if body is not self._running or self._body_length is None or not self._awaits_body():
            return
        missing = self._body_length - body.received
        if missing < LONG_BYTES or self.scheme == "https" or self.transport.is_closing():
            return
        LongBody(self.transport, self, body, missing, self._long_body_ended).begin()

    def _long_body_ended(self) -> None:
        self.parser = httptools.HttpRequestParser(self)  # the one before still waits for this body
        self.on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What can't be parsed: a problem instead of uvicorn's text."""
        if self._head_bytes <= self.limits.max_header_bytes:
            self._answer_and_close(400, "MALFORMED_REQUEST", "This is no valid HTTP/1.1 request.")
        else:
            self._refuse_head()

    # Request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body = None
        self._body_length = None
        if self._head_since is None:
            self._head_since = time.monotonic()

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_since is None:
            return  # a trailer of a chunked body: nothing here reads them
        self._count_head(len(name) + len(value))
        if name.lower() == b"content-length" and value.isdigit() and len(value) < 19:
            self._body_length = int(value)
        super().on_header(name, value)

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.max_header_bytes or len(self.headers) >= MAX_HEADERS:
            self._head_bytes = self.limits.max_header_bytes + 1
            raise HeadTooLarge

    def on_headers_complete(self) -> None:
        self._head_since = None
        self._head_bytes = self._fed_bytes = 0
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Run the application with our ``receive`` instead of the cycle's."""
        body = self._queued.pop(cycle, None) or RequestBody(cycle, self.flow)
        if cycle is self.cycle:
            self._body = body
        self._running = body
        super()._start_asgi_task(cycle, _with_body(app, body))

    def on_body(self, body: bytes) -> None:
        if self._body is None:  # pipelined: the request before is still being answered
            self._body = self._queued[self.cycle] = RequestBody(self.cycle, self.flow)
        self._body.add(body)

    # Limits

    def overdue(self, now: float) -> None:
        """Cut the connection off if its client is too slow, or gone without our having read that. Called
        every second.
        """
        if self.transport.is_closing():
            return
        if self._head_since is not None:
            if now - self._head_since > self.limits.header_seconds:
                self._cut("header", 408, "DEADLINE_EXCEEDED", "The request's headers took too long.")
        elif self._awaits_body():
            self._check_body(now)
        elif self._exchange is not None and not self._exchange.response_complete:
            self._check_send(now)

    def _check_body(self, now: float) -> None:
        received = self._body.received if self._body is not None else 0
        if self.flow.read_paused:
            missing = None if self._body_length is None else self._body_length - received
            self._body_pace.paused(received, now)
            if not self._lingers() and has_left(self.transport, missing):
                self.transport.abort()
        elif not self._body_pace.too_slow(self.cycle, received, now):
            return
        elif self._lingers():  # what came is kept; a 4xx would make tus clients forget the upload
            self.metrics.cut_off.labels("body").inc()
            self.transport.abort()
        else:
            self._cut("body", 408, "DEADLINE_EXCEEDED", "The request's body came too slowly; send it again.")

    def _lingers(self) -> bool:
        return self._running is not None and self._running.client.lingers

    def _check_send(self, now: float) -> None:
        waiting = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if self._send_pace.stuck(self.cycle, waiting, now):
            self.metrics.cut_off.labels("send").inc()
            self.transport.abort()

    def _tell_left(self) -> None:
        if self._running is not None:
            self._running.client.leave()

    @property
    def _exchange(self) -> RequestResponseCycle | None:
        """The latest request; None before the first one (uvicorn's annotation leaves that out)."""
        return self.cycle

    def _between_requests(self) -> bool:
        cycle = self._exchange
        return cycle is None or (cycle.response_complete and not cycle.more_body)

    def _awaits_body(self) -> bool:
        cycle = self._exchange
        return cycle is not None and cycle.more_body and not cycle.response_complete

    def _refuse_head(self) -> None:
        self._cut(
            "head_size",
            431,
            "MALFORMED_REQUEST",
            f"Headers take at most {self.limits.max_header_bytes} bytes.",
        )

    def _cut(
        self, reason: str, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        self.metrics.cut_off.labels(reason).inc()
        self._answer_and_close(status, code, detail, retry_after=retry_after)

    def _answer_and_close(
        self, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        """Answer in place of the application, which sees the client leave; then close."""
        cycle = self._exchange
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self._tell_left()
        if begun:
            self.transport.abort()
            return
        self.transport.write(raw_problem(status, code, detail, uuid.uuid4().hex, retry_after=retry_after))
        self.transport.close()


def _with_body(app: Any, body: RequestBody) -> Any:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - replaced by the body's
        scope[CLIENT] = body.client
        await app(scope, body.receive, send)

    return run
