"""A tus client of a cell: whole requests, and interrupted ones."""

from __future__ import annotations

import base64
import socket
import struct
import uuid
from typing import Self
from urllib.parse import urlsplit

import httpx

from tests.faults.cell import Cell
from tests.stack import PATIENCE, until

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}


class TusClient:
    """One owner's requests, each on a new connection."""

    def __init__(self, cell: Cell, owner: str = "") -> None:
        self.cell = cell
        self.owner = owner or f"user-{uuid.uuid4().hex[:12]}"

    def request(
        self, method: str, path: str, headers: dict[str, str], content: bytes = b""
    ) -> httpx.Response:
        """Raises httpx.HTTPError if the connection breaks."""
        signed = TUS | headers | {"Authorization": f"Bearer {self.cell.token(self.owner)}"}
        with httpx.Client(trust_env=False, verify=False, timeout=PATIENCE) as client:
            return client.request(method, self.cell.url + path, headers=signed, content=content)

    def create(self, size: int | None, **headers: str) -> str:
        """The path of a new upload."""
        length = {"Upload-Defer-Length": "1"} if size is None else {"Upload-Length": str(size)}
        reply = self.request("POST", "/files", length | headers)
        assert reply.status_code == 201, reply.text
        return reply.headers["location"]

    def head(self, path: str) -> httpx.Response:
        """HEAD."""
        return self.request("HEAD", path, {})

    def offset(self, path: str) -> int:
        """The offset, asked until there is an answer."""
        answer = until("HEAD is answered", lambda: self._try_offset(path), pause=0.2)
        assert answer is not None
        return int(answer.headers["upload-offset"])

    def patch(self, path: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
        """PATCH."""
        return self.request("PATCH", path, BYTES | {"Upload-Offset": str(offset)} | headers, content)

    def broken(self, path: str, offset: int, announced: int) -> BrokenPatch:
        """A PATCH whose body of ``announced`` bytes the caller sends piece by piece."""
        return BrokenPatch(self, path, offset, announced)

    def stored(self, path: str) -> bytes | None:
        """The object of a finished upload."""
        upload = self.request("GET", "/api/v1/uploads/" + path.rpartition("/")[2], {}).json()
        return self.cell.checker.content(upload["file"]["key"], "")

    def _try_offset(self, path: str) -> httpx.Response | None:
        try:
            reply = self.head(path)
        except httpx.HTTPError:
            return None
        assert reply.status_code in {200, 502, 503, 504}, reply.status_code
        return reply if reply.status_code == 200 else None


class BrokenPatch:
    """A PATCH on a plain socket: ``send`` some of the body, then leave, reset, or stay silent."""

    def __init__(self, client: TusClient, path: str, offset: int, announced: int) -> None:
        place = urlsplit(client.cell.url)
        self._socket = socket.create_connection((str(place.hostname), place.port or 80), timeout=PATIENCE)
        lines = {
            "Host": place.netloc, "Authorization": f"Bearer {client.cell.token(client.owner)}", **BYTES,
            "Upload-Offset": str(offset), "Content-Length": str(announced),
        }  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode())

    def send(self, content: bytes) -> None:
        """Send some of the body."""
        self._socket.sendall(content)

    def reset(self) -> None:
        """RST instead of FIN: like a broken line."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def status(self) -> int:
        """The answer's status; 0 if the connection ends without one."""
        try:
            first = self._socket.recv(4096)
        except OSError:
            return 0
        return int(first.split()[1]) if first else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def metadata(**fields: str) -> str:
    """Upload-Metadata."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())
