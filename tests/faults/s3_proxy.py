"""An S3 proxy that breaks requests by rule.

It is between storage_service and the store. Requests pass unmodified, Host header included: storage_service
signs for the proxy's address, and the store verifies the signature with the received Host header.

``rule = proxy.arm("CompleteMultipartUpload", drop_reply, key="uploads/ada/")``: the first request of this
operation whose path (for a listing its prefix) contains ``key`` meets the fault; all others pass.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from tests.faults.background import BackgroundLoop
from tests.faults.s3_wire import Reply, Request, copy_exactly, copy_to_end, read_head, read_reply
from tests.stack import PATIENCE, until

_BUFFER = 1 << 20


@dataclass(eq=False)
class Rule:
    """An armed fault. ``nth`` counts matching requests from 1; None means each of them.

    ``reached`` is set when the fault has acted, or holds what it holds. ``statuses``: the store's answers to
    held requests.
    """

    operation: str
    fault: Fault
    key: str
    nth: int | None
    hits: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    statuses: list[int] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def is_released(self) -> bool:
        """Whether ``release`` was called."""
        return self._released.is_set()

    def takes(self, request: Request) -> bool:
        """Whether this request meets the fault; counts it."""
        if self.operation not in ("*", request.operation) or self.key not in request.about:
            return False
        self.hits += 1
        return self.nth is None or self.nth == self.hits

    def release(self) -> None:
        """Release what the fault holds back."""
        self._released.set()

    async def released(self) -> None:
        """Wait for ``release``."""
        while not self._released.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)

    def wait_reached(self) -> None:
        """Wait until a request has met the fault."""
        until(f"{self.operation} of {self.key!r} meets its fault", self.reached.is_set)

    def wait_applied(self) -> int:
        """Wait until the store has answered a held request. Returns the last status."""
        return until("the late request is applied", lambda: self.statuses)[-1]


class Exchange:
    """One request, and its two connections."""

    def __init__(
        self, request: Request, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], upstream: str
    ) -> None:
        self.request = request
        self._reader, self._writer = client
        self._upstream = upstream
        self.keeps_client = True

    async def read_body(self) -> bytes:
        """The request's whole body."""
        return await self._reader.readexactly(self.request.length)

    async def relay(self) -> None:
        """Pass on the request and the answer without holding either. Ends when the store has finished, also
        if the client has hung up.
        """
        reader, writer = await self.connect()
        try:
            writer.write(self.request.head.with_headers(connection="close", expect="").encode())
            await copy_exactly(self._reader, writer, self.request.length)
            try:
                await self._relay_reply(reader)
            finally:
                while await reader.read(_BUFFER):  # a dead client does not stop the store
                    continue
        finally:
            writer.close()

    async def apply(self, body: bytes) -> Reply:
        """Send the request with this body to the store. Returns its answer."""
        reader, writer = await self.connect()
        try:
            writer.write(self.request.head.with_headers(connection="close", expect="").encode() + body)
            return await read_reply(reader, self.request.method)
        finally:
            writer.close()

    async def answer(self, reply: Reply) -> None:
        """Send a reply to the client."""
        self.write(reply.encode(to_head=self.request.method == "HEAD"))
        await self._writer.drain()

    def write(self, data: bytes) -> None:
        """Send bytes to the client unchanged."""
        self._writer.write(data)

    def hang_up(self) -> None:
        """Reset the client's connection."""
        self.keeps_client = False
        self._writer.transport.abort()

    @property
    def is_left(self) -> bool:
        """Whether the client has hung up."""
        return self._writer.is_closing() or self._reader.at_eof()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection to the store."""
        host, _, port = self._upstream.rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=_BUFFER)

    async def _relay_reply(self, reader: asyncio.StreamReader) -> None:
        head = await read_head(reader)
        if head is None:
            self.hang_up()
            return
        sized = self.request.method == "HEAD" or bool(
            head.get("content-length") or head.get("transfer-encoding")
        )
        if sized or head.line.split(" ", 2)[1] in {"204", "304"}:
            head = head.with_headers(connection="")
        else:
            self.keeps_client = False  # only the connection's end marks the end of the body
        self.write(head.encode())
        await copy_to_end(reader, self._writer)
        await self._writer.drain()


Fault = Callable[[Exchange, Rule], Awaitable[None]]


class S3Proxy:
    """``with S3Proxy(endpoint) as proxy:``; ``proxy.endpoint`` is the value for AWS_S3_ENDPOINT_URL."""

    def __init__(self, endpoint: str) -> None:
        self._upstream = urlsplit(endpoint).netloc
        self._loop = BackgroundLoop("s3-proxy")
        self._rules: list[Rule] = []
        self.seen: list[tuple[str, str]] = []
        self._accepted = 0
        self._clients = 0
        self._in_flight: set[Exchange] = set()
        self._late: list[asyncio.Task[None]] = []
        port = self._loop.serve(self._serve, limit=_BUFFER)
        self.endpoint = f"http://127.0.0.1:{port}"

    def arm(self, operation: str, fault: Fault, *, key: str = "", nth: int | None = 1) -> Rule:
        """Let the ``nth`` request of this operation (``*``: any) with ``key`` in its path meet the fault."""
        rule = Rule(operation, fault, key, nth)
        self._rules.append(rule)
        return rule

    def disarm(self) -> None:
        """Let all requests pass, and release the held ones."""
        for rule in self._rules:
            rule.release()
            self._late += rule.tasks
        self._rules = []

    def retire(self, rule: Rule) -> None:
        """Disarm this rule, and release the requests that it holds."""
        self._rules = [kept for kept in self._rules if kept is not rule]
        rule.release()

    def operations(self, key: str) -> list[str]:
        """Operations so far on paths that contain ``key``, in order."""
        return [operation for operation, path in self.seen if key in path]

    def wait_left(self, seconds: float = PATIENCE) -> None:
        """Wait until every client has disconnected and the store has answered their requests. Afterwards no
        request of a dead client is in flight.
        """
        self._accept_all(seconds)
        until("nothing is on its way to the store", self._is_left, seconds)

    def wait_answered(self, seconds: float = PATIENCE) -> None:
        """Wait until the store has answered everything sent so far, also by dead clients. Live ones may send
        more.
        """
        self._accept_all(seconds)
        try:
            until(
                "the store has answered all requests",
                lambda: not self._in_flight and self._late_ones_end(),
                seconds,
            )
        except AssertionError as error:
            waiting = [f"{one.request.operation} {one.request.path}" for one in tuple(self._in_flight)]
            raise AssertionError(f"{error}: {waiting}") from error

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self.disarm()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept_all(self, seconds: float) -> None:
        """Wait until a connection made after all of theirs is accepted."""
        before = self._accepted
        socket.create_connection(("127.0.0.1", urlsplit(self.endpoint).port or 0)).close()
        until("every connection is accepted", lambda: self._accepted > before, seconds)

    def _is_left(self) -> bool:
        return not self._clients and self._late_ones_end()

    def _late_ones_end(self) -> bool:
        return all(task.done() for task in self._late)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        self._clients += 1
        try:
            while head := await read_head(reader):
                exchange = Exchange(Request(head), (reader, writer), self._upstream)
                if head.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._in_flight.add(exchange)
                try:
                    await self._handle(exchange)
                finally:
                    self._in_flight.discard(exchange)
                if not exchange.keeps_client:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()  # one side is gone: so is the other
        finally:
            self._clients -= 1

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        self.seen.append((request.operation, request.path))
        for rule in tuple(self._rules):
            if rule.takes(request):
                await rule.fault(exchange, rule)
                rule.reached.set()
                return
        await exchange.relay()
