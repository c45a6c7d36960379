"""HTTP as raw bytes, for requests that no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.integration.gateway.harness import Running, token


@dataclass
class Answer:
    """An HTTP response. ``rest``: bytes after its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Connection:
    """A TCP connection to the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """The next response; its body by Content-Length, or to the end of the connection."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            length = headers.get("content-length")
            body = await (self.reader.readexactly(int(length)) if length else self.reader.read())
        return Answer(int(head[0].split()[1]), headers, body)

    async def closed(self) -> bool:
        """Whether the gateway closes the connection (within half a minute)."""
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                while await self.reader.read(1 << 16):
                    pass
        return True

    def leave(self) -> None:
        """Close the connection without sending anything."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset; unsent bytes are dropped."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def connect(running: Running) -> AsyncIterator[Connection]:
    """A connection that is closed at the end of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1 << 22)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def head(method: str, path: str, *, sub: str | None = "alice", **headers: Any) -> bytes:
    """Request line and headers; ``_`` in names becomes ``-``."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.test"]
    if sub is not None:
        lines.append(f"Authorization: Bearer {token(sub)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until ``holds`` returns true; fail with ``what`` after half a minute."""
    deadline = asyncio.get_running_loop().time() + 60
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.01)
