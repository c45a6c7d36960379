"""A scripted source of files: raw answers per path, and a record of each request."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

Reply = Callable[[socket.socket], None]
"""Writes one answer to the connection, which is closed afterwards."""

CHUNK: Final = 16 * 1024


class Origin:
    """Answers requests with ``script(name, first, second, …)`` in order, and then repeats the last one."""

    def __init__(self) -> None:
        self._scripts: dict[str, list[Reply]] = {}
        self._seen: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        origin = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the importer may close the connection at any time
                    origin._answer(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="origin")
        self._thread.start()

    @property
    def authority(self) -> str:
        """`host:port`, for STRONGROOM_IMPORT_ALLOW_HOSTS."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def script(self, name: str, *replies: Reply) -> str:
        """Set the responses of ``/name``, in the order of requests. Returns its URL."""
        with self._lock:
            self._scripts[f"/{name}"] = list(replies)
        return f"http://{self.authority}/{name}"

    def requests(self, name: str) -> Sequence[str]:
        """The heads of the requests for ``/name`` so far."""
        with self._lock:
            return list(self._seen[f"/{name}"])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(CHUNK)
            if not piece:
                return
            head += piece
        path = head.split(b" ")[1].decode("ascii").partition("?")[0]
        with self._lock:
            self._seen[path].append(head.decode("latin-1"))
            script = self._scripts.get(path, [answer(b"", status=404)])
            reply = script[0] if len(script) == 1 else script.pop(0)
        reply(connection)


@contextmanager
def running_origin() -> Iterator[Origin]:
    """An origin for one test."""
    origin = Origin()
    try:
        yield origin
    finally:
        origin.close()


def answer(
    body: bytes, *, status: int = 200, kind: str = "image/png", length: int | None = -1, **headers: str
) -> Reply:
    """A plain response. ``length``: Content-Length, which is true (-1), absent (None), or false.

    ``headers``: names with ``_`` for ``-``.
    """

    def write(connection: socket.socket) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", "connection: close"]
        if length is not None:
            lines.append(f"content-length: {len(body) if length < 0 else length}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    return write


def redirect(location: str, status: int = 302) -> Reply:
    """A redirect."""
    return answer(b"", status=status, location=location)


def chunked(body: bytes, *, whole: bool = True) -> Reply:
    """Transfer-Encoding: chunked; without its last chunk unless ``whole``."""

    def write(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for start in range(0, len(body), CHUNK):
            piece = body[start : start + CHUNK]
            connection.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        if whole:
            connection.sendall(b"0\r\n\r\n")

    return write


def reset_after(body: bytes, sent: int) -> Reply:
    """Announce ``body``, send ``sent`` bytes of it, and reset the connection."""

    def write(connection: socket.socket) -> None:
        answer(body[:sent], length=len(body))(connection)
        time.sleep(0.1)  # let the bytes arrive: a reset may overtake them
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return write


def drip(body: bytes, size: int, pause: float) -> Reply:
    """Send ``size`` bytes at a time with pauses of ``pause`` seconds."""

    def write(connection: socket.socket) -> None:
        answer(b"", length=len(body))(connection)
        for start in range(0, len(body), size):
            connection.sendall(body[start : start + size])
            time.sleep(pause)

    return write


def silence(seconds: float) -> Reply:
    """Read the request and send nothing."""

    def write(_connection: socket.socket) -> None:
        time.sleep(seconds)

    return write
