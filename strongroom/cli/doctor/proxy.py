"""Checks whether proxies between here and the gateway pass bytes on immediately, in both directions.

The two requests are made by hand: a client library would wait for the end of its own body before reading the
response.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from strongroom.cli.doctor.findings import Finding, fail, ok

TIMEOUT_SECONDS: Final = 5.0
EVENTS, BODIES = "events through the gateway", "uploads through the gateway"
EVENTS_MEND: Final = (
    "let the proxy in front of the gateway stream responses (nginx: proxy_buffering off, or respect"
    " X-Accel-Buffering)"
)
BODIES_MEND: Final = (
    "let the proxy in front of the gateway stream request bodies (nginx: proxy_request_buffering off,"
    " client_max_body_size 0)"
)


async def look_at_buffering(base: str, token: str | None) -> list[Finding]:
    """Check both directions. Events need ``token``. Returns nothing if the gateway can't be reached."""
    looks = [_bodies(base), *([_events(base, token)] if token else [])]
    return [finding for finding in await asyncio.gather(*looks) if finding is not None]


async def _events(base: str, token: str) -> Finding | None:
    """Check that an event stream begins with a line at once; after that it may be silent."""
    head = _head(
        base, "GET", "/api/notifications", f"Authorization: Bearer {token}", "Accept: text/event-stream"
    )
    answer = await _answer(base, head, b"\n\n")
    if answer is None:
        return None
    if answer and b"text/event-stream" not in answer.lower():
        return None  # refused; other checks say why
    if b"retry:" not in answer:
        return fail(EVENTS, f"a stream had no first line after {TIMEOUT_SECONDS:.0f} s", EVENTS_MEND)
    return ok(EVENTS, "arrive at once")


async def _bodies(base: str) -> Finding | None:
    """Check that an upload without a token is refused after its head, before its body."""
    head = _head(base, "POST", "/api/v1/s3/upload", "Content-Type: text/plain", "Content-Length: 1000000")
    answer = await _answer(base, head + b"begin", b"\r\n")
    if answer is None:
        return None
    if not answer:
        return fail(BODIES, "a proxy buffers request bodies", BODIES_MEND)
    return ok(BODIES, "are streamed")


def _head(base: str, method: str, path: str, *fields: str) -> bytes:
    url = urlsplit(base)
    lines = [
        f"{method} {url.path.rstrip('/')}{path} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        *fields,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


async def _answer(base: str, request: bytes, end: bytes) -> bytes | None:
    """Return what arrived in time up to ``end`` after the head: empty for nothing, None without a
    connection.
    """
    received = b""
    try:
        async with _connection(base) as (reader, writer):
            writer.write(request)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    while end not in received and (more := await reader.read(65536)):
                        received += more
    except (OSError, ValueError, TimeoutError):
        return received or None
    return received


@contextlib.asynccontextmanager
async def _connection(base: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    url = urlsplit(base)
    secure = url.scheme == "https"
    async with asyncio.timeout(TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection(
            url.hostname,
            url.port or (443 if secure else 80),
            ssl=ssl.create_default_context() if secure else None,
        )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
