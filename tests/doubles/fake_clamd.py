"""A clamd that misbehaves on request, on a Unix socket or a port."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

Fault = Literal["", "stalls", "dies", "lies", "mute", "unfinished", "refuses", "hangs_up", "busy", "empty"]


class FakeClamd:
    """A clamd with scripted answers. ``fault``: its misbehaviour with streams; ``says``: its answer without a
    fault. ``bodies``: the complete bodies received; ``deserted``: a client has hung up before the end.
    """

    def __init__(self) -> None:
        self.fault: Fault = ""
        self.says = "stream: OK"
        self.version = "ClamAV 1.4.6/27500/Sun Nov 29 08:00:00 2026"
        self.limit = 1 << 40
        self.address = ""
        self.bodies: list[bytes] = []
        self.connections = 0
        self.deserted = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            self.deserted.set()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "hangs_up":
            return
        command = await reader.readuntil(b"\0")
        if command == b"zVERSION\0":
            writer.write(self.version.encode() + b"\0")
            await writer.drain()
            return
        assert command == b"zINSTREAM\0"
        if self.fault == "stalls":
            await asyncio.Event().wait()
        body = b""
        while size := struct.unpack(">I", await reader.readexactly(4))[0]:
            body += await reader.readexactly(size)
            if self.fault == "dies":
                return
            if len(body) > self.limit:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                await writer.drain()
                return
        self.bodies.append(body)
        if self.fault == "mute":
            await asyncio.Event().wait()
        if self.fault != "empty":
            writer.write(self._reply())
        await writer.drain()

    def _reply(self) -> bytes:
        match self.fault:
            case "lies":
                return b"\xff\xfe OK FOUND maybe\0"
            case "unfinished":
                return b"stream: OK"
            case "refuses":
                return b"stream: Can't create temporary file ERROR\0"
            case "busy":
                return b"COMMAND READ TIMED OUT\0"
        return self.says.encode() + b"\0"


@asynccontextmanager
async def fake_clamd(socket: Path | None = None) -> AsyncIterator[FakeClamd]:
    """On ``socket``, or on a free port."""
    fake = FakeClamd()
    if socket is not None:
        server = await asyncio.start_unix_server(fake.answer, str(socket))
        fake.address = f"unix:{socket}"
    else:
        server = await asyncio.start_server(fake.answer, "127.0.0.1", 0)
        fake.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
