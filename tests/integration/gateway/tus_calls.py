"""Requests of tus 1.0, for tests."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.integration.gateway.harness import Running

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


def metadata(**pairs: str) -> str:
    """An Upload-Metadata header."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


async def create(gateway: Running, length: int | None, **headers: str) -> str:
    """Begin an upload. Returns its Location."""
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    reply = await gateway.client.post("/files", headers={**TUS, **size, **headers})
    assert reply.status_code == 201, reply.text
    return reply.headers["location"]


async def patch(
    gateway: Running, url: str, offset: int, content: Any = b"", **headers: str
) -> httpx.Response:
    """Append bytes."""
    return await gateway.client.patch(
        url, headers={**BYTES, "Upload-Offset": str(offset), **headers}, content=content
    )


async def head(gateway: Running, url: str) -> httpx.Response:
    """Get the offset."""
    return await gateway.client.head(url, headers=TUS)


def stored(gateway: Running, owner: str = "alice") -> list[bytes]:
    """The bytes of a user's files."""
    return [data for _, data in gateway.backends.store.of(owner)]
