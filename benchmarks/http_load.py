"""HTTP clients that cost as little as possible: prepared bytes on plain sockets.

They share the machine with the services under load.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import payload

_TIMEOUT = 600.0


class Refused(Exception):
    """The server's answer was no success; the text has status and body."""


def _address(url: str) -> tuple[str, int]:
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    return place.hostname, place.port


def _connect(url: str) -> socket.socket:
    connection = socket.create_connection(_address(url), timeout=_TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def head(method: str, url: str, token: str, *lines: str) -> bytes:
    """Request line and headers, with the final empty line."""
    place = urlsplit(url)
    target = place.path + (f"?{place.query}" if place.query else "")
    first = (f"{method} {target} HTTP/1.1", f"Host: {place.netloc}", f"Authorization: Bearer {token}")
    return "\r\n".join((*first, *lines, "", "")).encode()


def upload_head(url: str, token: str, size: int) -> bytes:
    """The head of a multipart upload of `size` bytes, followed by the part's own head."""
    before, after = payload.form()
    length = len(before) + size + len(after)
    kind = f"Content-Type: multipart/form-data; boundary={payload.BOUNDARY}"
    return head("POST", url, token, kind, f"Content-Length: {length}") + before


def _read_head(connection: socket.socket) -> tuple[int, int, bytes]:
    """Status, Content-Length and the first bytes of the body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise Refused(f"the server closed the connection after {data!r}")
        data += more
    top, _, rest = data.partition(b"\r\n\r\n")
    return int(top.split(None, 2)[1]), _content_length(top), rest


def _content_length(top: bytes) -> int:
    for line in top.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return -1


def _read_text(connection: socket.socket, length: int, data: bytes) -> str:
    while len(data) < length:
        more = connection.recv(65536)
        if not more:
            raise Refused(f"the answer ends after {len(data)} of {length} bytes")
        data += more
    return data.decode()


def upload(url: str, token: str, size: int) -> dict[str, Any]:
    """Send `size` bytes as the only file of a multipart form. Returns the JSON answer. Raises Refused."""
    with _connect(url) as connection:
        connection.sendall(upload_head(url, token, size))
        for chunk in payload.chunks(size):
            connection.sendall(chunk)
        connection.sendall(payload.form()[1])
        status, length, data = _read_head(connection)
        text = _read_text(connection, length, data)
    if status != 201:
        raise Refused(f"upload: {status} {text[:500]}")
    answer: dict[str, Any] = json.loads(text)
    return answer


def download(url: str, token: str) -> int:
    """Read the answer to a GET into one reused buffer. Returns the number of bytes. Raises Refused."""
    buffer = bytearray(payload.MIB)
    with _connect(url) as connection:
        connection.sendall(head("GET", url, token, "Connection: close"))
        status, length, data = _read_head(connection)
        if status != 200:
            raise Refused(f"download: {status} {data[:500]!r}")
        received = len(data)
        while count := connection.recv_into(buffer):
            received += count
    if length >= 0 and received != length:
        raise Refused(f"download: {received} of {length} bytes")
    return received


def get_json(url: str, token: str) -> Any:
    """The JSON answer to one GET. Raises Refused."""
    with _connect(url) as connection:
        connection.sendall(head("GET", url, token))
        status, length, data = _read_head(connection)
        text = _read_text(connection, length, data)
    if status != 200:
        raise Refused(f"GET {url}: {status} {text[:500]}")
    return json.loads(text)


@dataclass
class Timings:
    """Results of a closed loop: the seconds of each request and of all together."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    @property
    def p50(self) -> float:
        """Median seconds of a request."""
        return median(self.latencies)


class _Client(asyncio.Protocol):
    """A keep-alive connection that repeats the request as soon as it is answered."""

    def __init__(self, request: bytes, success: int, until: float, timings: Timings) -> None:
        self._request = request
        self._success = success
        self._until = until
        self._timings = timings
        self._received = bytearray()
        self._left = -1
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _send(self) -> None:
        if time.perf_counter() >= self._until:
            self.close()
            self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._received += data
            top, found, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not found:
                return
            if int(top.split(None, 2)[1]) != self._success:
                self._fail(bytes(self._received[:800]).decode("utf-8", "replace"))
                return
            self._left = _content_length(top) - len(rest)
            self._received.clear()
        else:
            self._left -= len(data)
        if self._left == 0:
            self._left = -1
            self._timings.latencies.append(time.perf_counter() - self._sent_at)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the server closed the connection ({exc})")

    def _fail(self, text: str) -> None:
        if not self.done.done():
            self.done.set_exception(Refused(text))


async def _closed_loop(url: str, request: bytes, success: int, clients: int, seconds: float) -> Timings:
    loop = asyncio.get_running_loop()
    timings = Timings()
    began = time.perf_counter()
    protocols = []
    for _ in range(clients):
        _, protocol = await loop.create_connection(
            lambda: _Client(request, success, began + seconds, timings), *_address(url)
        )
        protocols.append(protocol)
    try:
        await asyncio.gather(*(protocol.done for protocol in protocols))
    finally:
        for protocol in protocols:
            protocol.close()
    timings.seconds = time.perf_counter() - began
    return timings


def closed_loop(url: str, request: bytes, *, success: int, clients: int, seconds: float) -> Timings:
    """Repeat `request` for `seconds` on `clients` connections. Raises Refused at the first other status."""
    return asyncio.run(_closed_loop(url, request, success, clients, seconds))
