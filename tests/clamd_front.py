"""A front for a real clamd: it can be away, and claim other signatures."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from typing import Final

_PIECE: Final = 1 << 16


class ClamdFront:
    """``address``: the value for STRONGROOM_CLAMD_ADDRESS. ``version``: the answer to VERSION. ``streams``:
    the number of streams so far.
    """

    def __init__(self, place: Path, behind: str) -> None:
        self.address = f"unix:{place}"
        self.version = "ClamAV 1.4.6/1/Sun Nov 29 08:00:00 2026"
        self.streams = 0
        self._behind = behind.removeprefix("unix:")
        self._is_away = threading.Event()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Close every connection inside the block."""
        self._is_away.set()
        try:
            yield
        finally:
            self._is_away.clear()

    def serve(self, asking: socket.socket) -> None:
        """Serve one connection."""
        if self._is_away.is_set():
            return
        command = asking.recv(_PIECE)
        if command == b"zVERSION\0":
            asking.sendall(f"{self.version}\0".encode())
            return
        self.streams += 1
        with socket.socket(socket.AF_UNIX) as behind, contextlib.suppress(OSError):
            behind.connect(self._behind)
            answering = threading.Thread(target=_copy, args=(behind, asking))
            answering.start()
            behind.sendall(command)
            _copy(asking, behind)
            answering.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until the end; a peer that has hung up takes no more."""
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def clamd_front(folder: Path, behind: str) -> Iterator[ClamdFront]:
    """A running front for the clamd at ``behind``."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "front.sock"
    front = ClamdFront(place, behind)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            front.serve(self.request)

    with ThreadingUnixStreamServer(str(place), Handler) as server:
        server.daemon_threads = True
        running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        running.start()
        try:
            yield front
        finally:
            server.shutdown()
            running.join()
    shutil.rmtree(folder, ignore_errors=True)
