"""A scripted S3 server: each request takes the next step."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from storage_service.objectstore.s3.options import S3Options


@dataclass
class Request:
    """A received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    connection: int = 0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


class HangUp(Exception):
    """Raised by a step to end the connection."""


Step = Callable[[socket.socket, Request], None]


@dataclass
class ScriptedServer:
    """Runs a thread per connection. ``requests``: all requests received, in order."""

    steps: list[Step]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    early: bool = False
    tls: ssl.SSLContext | None = None
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def options(self, **changes: object) -> S3Options:
        """Return settings for this server."""
        base: dict[str, object] = {
            "bucket": "bucket",
            "endpoint_url": f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}",
            "access_key_id": "key",
            "secret_access_key": "very-secret",
            "connect_timeout": 20.0,
            "read_timeout": 30.0,
            "reply_timeout": 30.0,
            "slow_reply_timeout": 30.0,
            "max_attempts": 3,
        }
        return S3Options(**{**base, **changes})  # type: ignore[arg-type]

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            accepting.join(60)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(HangUp, OSError), self._secured(sock) as peer:
            while True:
                request = read_request(peer, whole=not self.early)
                request.connection = number
                with self._lock:
                    self.requests.append(request)
                    step = self.steps.pop(0) if self.steps else answer(500, b"<Error/>")
                step(peer, request)

    def _secured(self, sock: socket.socket) -> socket.socket:
        return sock if self.tls is None else self.tls.wrap_socket(sock, server_side=True)


def read_request(sock: socket.socket, *, whole: bool) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        received = sock.recv(65536)
        if not received:
            raise HangUp
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    while whole and len(body) < length:
        received = sock.recv(65536)
        if not received:
            raise HangUp
        body += received
    method, target, _ = first.split(" ", 2)
    return Request(method, target, headers, body)


def head_of(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {text}" for name, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(status: int, body: bytes = b"", **headers: str) -> Step:
    """Return a step with a complete answer; ``_`` in names of headers stands for ``-``."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}

    def step(sock: socket.socket, request: Request) -> None:
        sent = b"" if request.method == "HEAD" else body
        sock.sendall(head_of(status, {"Content-Length": str(len(body)), **named}) + sent)

    return step


def failure(status: int, code: str, **headers: str) -> Step:
    """Return a step that answers with an S3 error."""
    return answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode(), **headers)


def raw(data: bytes, *, then_close: bool = False) -> Step:
    """Return a step that sends exactly these bytes."""

    def step(sock: socket.socket, _: Request) -> None:
        sock.sendall(data)
        if then_close:
            raise HangUp

    return step


def drip(data: bytes, seconds: float) -> Step:
    """Return a step that sends one byte at a time."""

    def step(sock: socket.socket, _: Request) -> None:
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(seconds)

    return step


def hang(seconds: float) -> Step:
    """Return a step that doesn't answer."""

    def step(_: socket.socket, __: Request) -> None:
        time.sleep(seconds)
        raise HangUp

    return step


def reset() -> Step:
    """Return a step that sends RST instead of an answer."""

    def step(sock: socket.socket, _: Request) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HangUp

    return step


def put_ok(etag: str = "0123", **headers: str) -> Step:
    """Return the answer for a stored object or part."""
    return answer(200, b"", ETag=f'"{etag}"', **headers)


def object_head(size: int, etag: str = "e1", **more: str) -> dict[str, str]:
    """Return the headers of HEAD and GET."""
    return {
        "Content-Length": str(size),
        "ETag": f'"{etag}"',
        "Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT",
        "Content-Type": "text/plain",
        **more,
    }
