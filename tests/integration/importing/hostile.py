"""Responses that cost the reader more than the sender."""

from __future__ import annotations

import contextlib
import gzip
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.integration.importing.origin import Reply

HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n"
CHUNKED: Final = HEAD + b"transfer-encoding: chunked\r\n\r\n"
MANY: Final = 400
"""Repetitions in one write."""


def endless(start: bytes, piece: bytes) -> Reply:
    """Send ``start`` and then ``piece`` repeatedly, as fast as it is read, on each connection from the
    beginning.
    """

    def write(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece * MANY)

    return write


def dripping(start: bytes, pieces: Iterable[bytes], pause: float) -> Reply:
    """Send ``pieces``, with a pause before each."""

    def write(connection: socket.socket) -> None:
        connection.sendall(start)
        for piece in pieces:
            time.sleep(pause)
            connection.sendall(piece)

    return write


def saying(*pieces: bytes) -> Reply:
    """Send these bytes and close the connection."""
    return _sending(pieces)


def bomb() -> bytes:
    """1 MiB of zeros, compressed."""
    return gzip.compress(bytes(1 << 20))


def _sending(pieces: Iterable[bytes]) -> Reply:
    def write(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return write


def numbered(name: str, of: int = 1 << 30) -> Iterator[bytes]:
    """Numbered header lines."""
    return (b"%s-%d: a\r\n" % (name.encode(), number) for number in range(of))


@contextmanager
def raw_origin(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port that passes each new connection to ``handle``."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="raw-origin")
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def over_tls(certificate: tuple[Path, Path], reply: Reply) -> Callable[[socket.socket], None]:
    """``reply`` over TLS, after a request has been read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(16 * 1024)
            reply(secure)

    return handle
