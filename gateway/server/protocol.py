"""One HTTP/1.1 connection: uvicorn's httptools protocol, with limits on what a client can occupy.

With uvicorn alone, a connection lives for ever if it never sends a request, sends a head or a body byte by
byte, or never reads its response; and headers may grow without limit. ``GatewayServer`` calls ``overdue`` of
every connection once a second.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, ClassVar, Final

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.http.leaving import CLIENT
from gateway.http.middleware.access import CUT, note_refused
from gateway.http.middleware.headers import REQUEST_ID
from gateway.http.problems import raw_problem
from gateway.metrics import Metrics
from gateway.server.body import LONG_BYTES, LongBody, RequestBody, has_left
from gateway.server.pace import BodyPace, ConnectionLimits, SendPace
from gateway.server.request_head import (
    FREE_FRAMING_BYTES,
    MAX_FRAMING,
    Headers,
    Refusal,
    authority_of,
    head_fault,
    is_websocket_handshake,
    malformed,
    unreadable,
    without_upgrade,
)
from servicekit.context import RequestContext

MAX_HEADERS: Final = 100
#: Requests of one connection that wait behind the one being answered. One read may bring ten thousand: each
#: takes a KiB of memory, and nobody may ever read the answers.
MAX_PIPELINED: Final = 64


class HeadTooLarge(Exception):
    """The request line and headers exceed the limit."""


class HeadRefused(Exception):
    """The head breaks a rule of HTTP; ``_refusal`` says which."""


class GuardedProtocol(HttpToolsProtocol):
    """A connection with ``limits``. uvicorn creates the instances, so ``with_limits`` makes a subclass that
    has limits and metrics.
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
        self._heads = 0
        self._body: RequestBody | None = None
        self._running: RequestBody | None = None
        self._queued: dict[RequestResponseCycle, RequestBody] = {}
        self._body_length: int | None = None
        self._framed_bytes = 0
        self._refusal: Refusal | None = None
        self._last_words: bytes | None = None
        self._body_pace = BodyPace(self.limits)
        self._send_pace = SendPace(self.limits)

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Accept the connection, or refuse it if there are too many."""
        super().connection_made(transport)
        self.metrics.connections.inc()
        self._head_since = time.monotonic()
        if len(self.connections) > self.limits.max_connections:
            self._cut("connections", 503, "OVERLOADED", "Too many connections; try again.", retry_after=2)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection. A request in progress gets ``http.disconnect``."""
        self.metrics.connections.dec()
        super().connection_lost(exc)
        self._tell_left()

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Bytes of an unfinished head count against the limit."""
        if self.transport.is_closing() or self._last_words is not None:
            return
        if self._head_since is None and self._between_requests():
            self._head_since = time.monotonic()
        self._unset_keepalive_if_required()
        self._heads = 0
        self._parse(data)
        if (
            self._head_since is not None
        ):  # still in the head: all of the data belongs to it, or to those before
            self._fed_bytes += 0 if self._heads else len(data)
            if self._fed_bytes > self.limits.max_header_bytes:
                self._refuse_head()
        elif self._body is not None and self._awaits_body():
            if self._body_length is None:
                self._check_framing(self._body, len(data))
            else:
                self._read_on(self._body, self._body_length)

    def _parse(self, data: bytes) -> None:
        """Feed the parser, which stops after every head with an Upgrade. Unless that is a WebSocket
        handshake, the head and all that follows are parsed again without the Upgrade.
        """
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                method, version = self.parser.get_method(), self.parser.get_http_version()
                if is_websocket_handshake(method, version, self.headers) and self._between_requests():
                    self.metrics.connections.dec()  # the WebSocket counts itself
                    self.handle_websocket_upgrade()
                    return
                data = without_upgrade(method, version, self.url, self.headers) + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError:
                self._refuse_unreadable(data)
                return

    def _check_framing(self, body: RequestBody, size: int) -> None:
        """Refuse a body with more framing than content: sizes, extensions and trailers of chunks cost CPU."""
        self._framed_bytes += size
        if self._framed_bytes > FREE_FRAMING_BYTES + MAX_FRAMING * body.received:
            self._refuse(malformed("The chunks of the body are mostly framing; send larger ones."))

    def _read_on(self, body: RequestBody, length: int) -> None:
        """Read the rest of a long body without the parser."""
        missing = length - body.received
        if body is not self._running or missing < LONG_BYTES:
            return
        if self.scheme == "https" or self.transport.is_closing():
            return
        LongBody(self.transport, self, body, missing, self._long_body_ended).begin()

    def _long_body_ended(self) -> None:
        self.parser = httptools.HttpRequestParser(self)  # the previous one still waits for this body
        self.on_message_complete()

    def _refuse_unreadable(self, data: bytes) -> None:
        """Answer a head that can't be parsed or breaks a rule with a problem, instead of uvicorn's text."""
        if self._head_bytes > self.limits.max_header_bytes:
            self._refuse_head()
        else:
            self._refuse(self._refusal or unreadable(data))

    # Request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body = None
        self._body_length = None
        self._framed_bytes = 0
        if self._head_since is None:
            self._head_since = time.monotonic()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_head(len(url))

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
        self._heads += 1
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._refusal = head_fault(method, version, self.url, self.headers) or self._crowded()
        if self._refusal is not None:
            raise HeadRefused
        if self.parser.should_upgrade():  # not yet: see ``_parse``
            self.scope["method"] = method.decode("ascii")
            return
        if (authority := authority_of(self.url)) is not None:
            _replace_host(self.headers, authority)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 section 10.1.1
        super().on_headers_complete()

    def _crowded(self) -> Refusal | None:
        if len(self.pipeline) < MAX_PIPELINED:
            return None
        detail = f"More than {MAX_PIPELINED} requests wait on this connection; read the answers first."
        return Refusal(429, "RATE_LIMITED", detail)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request. A refused one is answered once all requests before it are."""
        super().on_response_complete()
        exchange = self._exchange
        if self._last_words is not None and (exchange is None or exchange.response_complete):
            self._unset_keepalive_if_required()
            self._close_with(self._last_words)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Run the application with ``RequestBody.receive`` instead of the cycle's."""
        body = self._queued.pop(cycle, None) or RequestBody(cycle, self.flow)
        if cycle is self.cycle:
            self._body = body
        self._running = body
        super()._start_asgi_task(cycle, _with_body(app, body))

    def on_body(self, body: bytes) -> None:
        if self._body is None:  # pipelined: the previous request is still being answered
            self._body = self._queued[self.cycle] = RequestBody(self.cycle, self.flow)
        self._body.add(body)

    # Limits

    def overdue(self, now: float) -> None:
        """Close the connection if its client is too slow, or has left without our noticing. Called every
        second.
        """
        if self.transport.is_closing():
            self._check_send(now, closing=True)
            return
        if self._last_words is not None:
            self._check_send(now)
        elif self._head_since is not None:
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
        elif not self._body_pace.measures_too_slow(self.cycle, received, now):
            return
        elif self._lingers():  # the received bytes are kept; a 4xx would make tus clients forget the upload
            self.metrics.cut_off.labels("body").inc()
            self.transport.abort()
        else:
            self._cut("body", 408, "DEADLINE_EXCEEDED", "The request's body came too slowly; send it again.")

    def _lingers(self) -> bool:
        return self._running is not None and self._running.client.lingers

    def _check_send(self, now: float, *, closing: bool = False) -> None:
        """``closing``: the last bytes of the connection count, however few."""
        waiting = self.transport.get_write_buffer_size() if closing or self.flow.write_paused else 0
        if self._send_pace.measures_stuck(self.cycle, waiting, now):
            self.metrics.cut_off.labels("send").inc()
            self.transport.abort()

    def _tell_left(self) -> None:
        if self._running is not None:
            self._running.client.leave()

    @property
    def _exchange(self) -> RequestResponseCycle | None:
        """The latest request; None before the first one (which uvicorn's annotation omits)."""
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
            f"Address and headers take at most {self.limits.max_header_bytes} bytes, in {MAX_HEADERS} lines.",
        )

    def _refuse(self, refusal: Refusal) -> None:
        self._answer_and_close(refusal.status, refusal.code, refusal.detail)

    def _cut(
        self, reason: str, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        self.metrics.cut_off.labels(reason).inc()
        self._answer_and_close(status, code, detail, retry_after=retry_after)

    def _answer_and_close(
        self, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        """Answer in place of the application, for which the client has disconnected; then close. Complete
        requests are answered first.
        """
        cycle = self._exchange
        if cycle is not None and not self.pipeline and self._awaits_body():
            scope: Any = cycle.scope
            request_id: str = scope.get(REQUEST_ID) or uuid.uuid4().hex
            scope[CUT] = status, code  # the request's own log line reports it
        else:
            request_id = uuid.uuid4().hex
            note_refused(self.metrics, RequestContext(request_id, reason=code), status, self.client)
        words = raw_problem(status, code, detail, request_id, retry_after=retry_after)
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            self._last_words, self._head_since = words, None
            return
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self._tell_left()
        if begun:
            self.transport.abort()
            return
        self._close_with(words)

    def _close_with(self, words: bytes) -> None:
        self.transport.write(words)
        self.transport.close()


def _replace_host(headers: Headers, authority: bytes) -> None:
    headers[:] = [(b"host", authority), *(one for one in headers if one[0] != b"host")]


def _with_body(app: Any, body: RequestBody) -> Any:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - replaced by the body's
        scope[CLIENT] = body.client
        await app(scope, body.receive, send)

    return run
