"""One HTTP/1.1 connection to the store: sends a request whose body is a list of buffers, and reads its reply.

Sockets are the standard library's, and replies are parsed by httptools (llhttp). This module only has the
steps between them, in which a thread or the event loop waits (``steps``). Measured on one core, CPU of a 64
KiB PUT to a local sink, signing included: urllib3 PoolManager 242 µs, urllib3's connection alone 174,
http.client 126, this module 62. It also has two features that those lack: a deadline for the whole head of a
reply, however slowly it arrives, and ``abort`` from another thread, after which a cancelled upload occupies
neither its bytes nor its thread.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httptools

from storage_service.objectstore.s3.http.steps import READABLE, WRITABLE, Steps, Wait
from storage_service.objectstore.s3.options import Endpoint
from storage_service.objectstore.values import Chunk

MAX_SMALL_BODY = 256 * 1024
"""Limit for replies that are read whole (errors, confirmations), in bytes."""
_RECEIVE_SIZE = 64 * 1024
_MAX_HEAD = 64 * 1024
_LAST_WORDS_TIMEOUT = 0.5
_BUFFERS_AT_ONCE: Final = 16


class WireError(Exception):
    """The exchange failed below HTTP. ``sent``: the store may have received the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ConnectFailed(WireError):
    """No connection was made: name, address, port or TLS."""


class TimedOut(WireError):
    """A time limit passed."""


class Broken(WireError):
    """The connection ended, or the bytes received are not HTTP."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: to connect, for one network operation, for the whole head of the reply."""

    connect: float
    operation: float
    reply: float


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (lower-case names) of a reply.

    ``early``: body bytes that arrived with them.
    """

    status: int
    headers: Mapping[str, str]
    early: bytes
    complete: bool
    keep_alive: bool


class _Collector:
    """Callbacks of httptools for one reply. An interim one (1xx) is followed by the next."""

    def __init__(self) -> None:
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.head_done = False
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


class Connection:
    """A connection for one exchange at a time, by one thread or by the event loop.

    Only ``abort`` may be called from elsewhere. Its socket is non-blocking; waits are steps.
    """

    def __init__(self, sock: socket.socket, timeouts: Timeouts) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.secure = isinstance(sock, ssl.SSLSocket)
        self._timeouts = timeouts
        self.idle_since = 0.0

    @classmethod
    def open(cls, endpoint: Endpoint, context: ssl.SSLContext | None, timeouts: Timeouts) -> Connection:
        """Connect, with TLS if there is a context. Blocks. Raises ConnectFailed, TimedOut."""
        try:
            sock = socket.create_connection((endpoint.host, endpoint.port), timeouts.connect)
        except TimeoutError as error:
            raise TimedOut("connecting took too long", sent=False) from error
        except OSError as error:
            raise ConnectFailed("cannot connect", sent=False) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return cls(sock, timeouts)
        try:
            return cls(context.wrap_socket(sock, server_hostname=endpoint.host), timeouts)
        except OSError as error:  # ssl.SSLError is one
            sock.close()
            raise ConnectFailed("TLS handshake failed", sent=False) from error

    def close(self) -> None:
        """Close the socket; pending data is lost."""
        self.sock.close()

    def abort(self) -> None:
        """End any wait of the connection's own thread. May be called from any thread."""
        try:
            # not SSLSocket.shutdown: it would switch to clear text during a write
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            return  # not connected any more, as intended

    def is_stale(self) -> bool:
        """Whether an idle connection is readable: the store has closed it or is out of step."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def send(
        self, head: bytes, chunks: Sequence[Chunk], mid_body: Callable[[], None] | None = None
    ) -> Steps[None]:
        """Send a request. ``mid_body`` is called when half of the body has been sent. Raises TimedOut,
        Broken.
        """
        try:
            if mid_body is None:
                yield from self._send_all([head, *chunks])
                return
            first, second = _halves(chunks)
            yield from self._send_all([head, *first])
            mid_body()
            yield from self._send_all(second)
        except TimeoutError as error:
            raise TimedOut("sending took too long", sent=True) from error
        except OSError as error:
            raise Broken("the connection broke while sending", sent=True) from error

    def _send_all(self, buffers: list[Chunk]) -> Steps[None]:
        """Send the head and a small body in one packet if the socket allows it.

        The time limit applies to each piece that the socket accepts: a body may be slow as long as it moves.
        """
        while buffers:
            try:
                sent = self._send_some(buffers)
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield Wait(WRITABLE, self._timeouts.operation)
                continue
            except ssl.SSLWantReadError:
                yield Wait(READABLE, self._timeouts.operation)
                continue
            while buffers and sent >= len(buffers[0]):
                sent -= len(buffers.pop(0))
            if sent:
                buffers[0] = memoryview(buffers[0])[sent:]

    def _send_some(self, buffers: list[Chunk]) -> int:
        if self.secure:
            return self.sock.send(buffers[0]) if buffers[0] else 0
        return self.sock.sendmsg(buffers[:_BUFFERS_AT_ONCE])

    def read_head(self, *, bodiless: bool = False) -> Steps[Head]:
        """Read the reply's status and headers within the reply deadline. ``bodiless``: the reply to a HEAD.

        Raises TimedOut, Broken.
        """
        collector, received = _Collector(), 0
        parser = httptools.HttpResponseParser(collector)
        deadline = time.monotonic() + self._timeouts.reply
        while not (collector.head_done and parser.get_status_code() >= 200):
            data = yield from self._receive(deadline)
            received += len(data)
            if not data or received > _MAX_HEAD + _RECEIVE_SIZE:
                raise Broken("the connection ended before the reply", sent=True)
            self._feed(parser, data)
        complete = collector.complete or bodiless
        early = b"" if bodiless else b"".join(collector.body)
        head = Head(
            parser.get_status_code(), collector.headers, early, complete, _stays_open(parser, collector)
        )
        if complete or _content_length(head) is not None:
            return head
        return (yield from self._read_unsized(parser, collector, deadline, head))

    def read_small_body(self, head: Head) -> Steps[bytes]:
        """Return the body of a reply that is expected to be short. Raises Broken, TimedOut."""
        if head.complete:
            return head.early
        length = _content_length(head) or 0
        if length > MAX_SMALL_BODY:
            raise Broken("an unexpectedly large reply", sent=True)
        deadline = time.monotonic() + self._timeouts.reply
        body = head.early
        while len(body) < length:
            data = yield from self._receive(deadline)
            if not data:
                raise Broken("the reply broke off", sent=True)
            body += data
        return body

    def read_now(self, size: int) -> bytes:
        """Return those of the next ``size`` bytes of a body that have arrived.

        Returns nothing if the connection broke; ``read_exactly`` reports that.
        """
        try:
            return self.sock.recv(size)
        except OSError:
            return b""

    def read_exactly(self, size: int) -> Steps[bytes]:
        """Return the next ``size`` bytes of a body. Raises Broken, TimedOut (of one operation)."""
        pieces: list[bytes] = []
        missing = size
        with _inside_body():
            while missing:
                try:
                    piece = self.sock.recv(missing)
                except (BlockingIOError, ssl.SSLWantReadError):
                    yield Wait(READABLE, self._timeouts.operation)
                    continue
                if not piece:
                    raise Broken("the body broke off", sent=True)
                pieces.append(piece)
                missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_unsized(
        self, parser: httptools.HttpResponseParser, collector: _Collector, deadline: float, head: Head
    ) -> Steps[Head]:
        """Read a chunked body, or one up to the end of the connection: some stores' errors, never object
        bodies.
        """
        chunked = "transfer-encoding" in head.headers
        while not collector.complete:
            data = yield from self._receive(deadline)
            if not data and chunked:
                raise Broken("the reply broke off", sent=True)
            if not data:
                break
            self._feed(parser, data)
            if sum(map(len, collector.body)) > MAX_SMALL_BODY:
                raise Broken("an unexpectedly large reply", sent=True)
        keep_alive = collector.complete and head.keep_alive
        return Head(head.status, head.headers, b"".join(collector.body), complete=True, keep_alive=keep_alive)

    def _receive(self, deadline: float) -> Steps[bytes]:
        """Return the next bytes; empty at the end of the stream. Waits first, because they are hardly ever
        there already.
        """
        try:
            waits = not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())
            while True:
                if waits:
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        raise TimedOut("the reply took too long", sent=True)
                    yield Wait(READABLE, remaining)
                waits = True
                try:
                    return self.sock.recv(_RECEIVE_SIZE)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
        except TimeoutError as error:
            raise TimedOut("the reply took too long", sent=True) from error
        except OSError as error:
            raise Broken("the connection broke before the reply", sent=True) from error

    def _feed(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Broken("the answer is not HTTP", sent=True) from error

    def read_last_words(self) -> Steps[Head | None]:
        """After a failed send, return the error that the store may have answered before it closed the
        connection.
        """
        self._timeouts = Timeouts(0, _LAST_WORDS_TIMEOUT, _LAST_WORDS_TIMEOUT)
        try:
            head = yield from self.read_head()
            body = yield from self.read_small_body(head)
        except WireError:
            return None
        return Head(head.status, head.headers, body, complete=True, keep_alive=False)


@contextmanager
def _inside_body() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise TimedOut("the body stalled", sent=True) from error
    except OSError as error:
        raise Broken("the connection broke inside the body", sent=True) from error


def _halves(chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
    """Return the same bytes cut in the middle, without copying."""
    room = sum(len(chunk) for chunk in chunks) // 2
    first: list[Chunk] = []
    second: list[Chunk] = []
    for chunk in chunks:
        view = memoryview(chunk)
        first.append(view[:room])
        second.append(view[room:])
        room = max(0, room - len(view))
    return first, second


def _content_length(head: Head) -> int | None:
    text = head.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _stays_open(parser: httptools.HttpResponseParser, collector: _Collector) -> bool:
    """RFC 9112 section 9.3. The parser's own answer is valid only before the message is complete."""
    options = collector.headers.get("connection", "").lower()
    return "close" not in options and (parser.get_http_version() == "1.1" or "keep-alive" in options)


def request_head(method: str, path: str, query: str, headers: Mapping[str, str]) -> bytes:
    """Return request line and headers. Raises ValueError for a header value that could inject a line."""
    lines = [f"{method} {path}{'?' if query else ''}{query} HTTP/1.1"]
    for name, text in headers.items():
        if not text.isascii() or not text.isprintable():
            raise ValueError(f"header {name} holds characters that HTTP headers cannot carry")
        lines.append(f"{name}: {text}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
