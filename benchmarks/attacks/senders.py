"""Attacks that send: slow uploads, endless sessions, cheap requests as fast as possible."""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks import payload
from benchmarks.attacks import SILENCE, Attack, Run

#: Just above the slowest allowed rate (1 KiB/s).
DRIP_BYTES: Final = 123
DRIP_SECONDS: Final = 0.1
_ANNOUNCED: Final = 8 * payload.MIB


async def drip(attack: Attack) -> None:
    """An upload of 8 MiB at 1.2 KB a second."""
    reader, writer = await attack.connect()
    before, after = payload.form()
    length = len(before) + _ANNOUNCED + len(after)
    kind = f"Content-Type: multipart/form-data; boundary={payload.BOUNDARY}"
    writer.write(attack.head("POST", "/api/v1/s3/upload", kind, f"Content-Length: {length}") + before)
    answer = asyncio.ensure_future(attack.status(reader, 3600))
    block = payload.block()[:DRIP_BYTES]
    try:
        while not answer.done():
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)
    finally:
        if not answer.done():
            answer.cancel()
            attack.answers["accepted"] += 1


def create_sessions(count: int, connections: int) -> Run:
    """Create ``count`` tus uploads of 5 GiB and never send their bytes."""

    async def one(attack: Attack) -> None:
        lines = ("Tus-Resumable: 1.0.0", "Upload-Length: 5368709120", "Content-Length: 0")
        await _repeat(attack, attack.head("POST", "/files", *lines), count // connections)

    async def run(attack: Attack) -> None:
        await asyncio.gather(*(one(attack) for _ in range(connections)))

    return run


def flood(connections: int) -> Run:
    """Send the cheapest request again after each answer, on ``connections`` connections."""

    async def one(attack: Attack) -> None:
        await _repeat(attack, attack.head("GET", "/api/v1/s3/files?max_keys=1"), None)

    async def run(attack: Attack) -> None:
        await asyncio.gather(*(one(attack) for _ in range(connections)))

    return run


async def _repeat(attack: Attack, request: bytes, times: int | None) -> None:
    """Send ``request`` repeatedly, on a new connection whenever the old one was closed."""
    sent = 0
    while times is None or sent < times:
        try:
            reader, writer = await attack.connect()
        except OSError:
            attack.answers[SILENCE] += 1
            await asyncio.sleep(0.1)
            continue
        try:
            while times is None or sent < times:
                writer.write(request)
                sent += 1
                if await attack.status(reader) == SILENCE:
                    break
                await _skip_answer(reader)
        except (OSError, EOFError):
            pass  # closed: continue on the next connection
        finally:
            writer.close()


async def _skip_answer(reader: asyncio.StreamReader) -> None:
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
