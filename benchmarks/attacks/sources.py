"""Attacks by sources of imports: servers that answer endlessly, in tiny chunks, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from benchmarks.attacks import Attack, Run

Source = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CRUMB: Final = b"1\r\nx\r\n"
_BURST: Final = 200


async def endless_interim(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send ``100 Continue`` for ever."""
    await reader.readuntil(b"\r\n\r\n")
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * _BURST)
        await writer.drain()


async def crumbs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a picture in chunks of one byte for ever."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"8\r\n\x89PNG\r\n\x1a\n\r\n"
    )
    while True:
        writer.write(_CRUMB * _BURST)
        await writer.drain()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 - as the others
    """Read the request and send nothing."""
    while await reader.read(4096):
        pass


@contextlib.asynccontextmanager
async def _serving(source: Source, port: int) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):  # the end of the attack
            await source(reader, writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}/x.png"


def importing(source: Source) -> Run:
    """Import from ``source`` again and again."""

    async def run(attack: Attack) -> None:
        async with _serving(source, attack.target.source_port) as url:
            while True:
                await _post(attack, "/api/generations", {**_GENERATION, "url": url})
                await asyncio.sleep(0.05)

    return run


def importing_batch(source: Source, count: int) -> Run:
    """Import a batch of ``count`` URLs of ``source`` again and again."""

    async def run(attack: Attack) -> None:
        async with _serving(source, attack.target.source_port) as url:
            items = [{**_GENERATION, "url": f"{url}?{number}"} for number in range(count)]
            while True:
                await _post(attack, "/api/generations/batch", {"items": items})
                await asyncio.sleep(0.05)

    return run


_GENERATION: Final = {"type": "text-to-image", "prompt": "a cat", "settings": {}}


async def _post(attack: Attack, path: str, body: dict[str, object]) -> None:
    text = json.dumps(body).encode()
    reader, writer = await attack.connect()
    lines = ("Content-Type: application/json", f"Content-Length: {len(text)}", "Connection: close")
    writer.write(attack.head("POST", path, *lines) + text)
    await attack.status(reader, 600)
    writer.close()
