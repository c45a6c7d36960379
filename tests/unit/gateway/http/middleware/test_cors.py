"""Requests without an origin get the same answer as from Starlette's own CORS."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

from gateway.http.middleware.cors import Cors


async def _headers(kind: type[CORSMiddleware], asked: list[tuple[bytes, bytes]], stated: Any) -> Any:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(stated)})
        await send({"type": "http.response.body", "body": b"x"})

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    async def send(message: Message) -> None:
        sent.append(message)

    middleware = kind(app, allow_origins=["https://app.example"], allow_methods=("GET",))
    await middleware({"type": "http", "method": "GET", "headers": asked}, receive, send)
    assert sent[1] == {"type": "http.response.body", "body": b"x"}
    return sorted((name.lower(), value) for name, value in sent[0]["headers"])


@pytest.mark.parametrize(
    "stated",
    [
        [],
        [(b"vary", b"Authorization")],
        [(b"vary", b"Cookie"), (b"etag", b'"1"'), (b"vary", b"accept")],
    ],
)
@pytest.mark.parametrize(
    "asked", [[], [(b"host", b"a")], [(b"origin", b"https://app.example")], [(b"origin", b"https://evil")]]
)
async def test_answers_are_starlettes(
    asked: list[tuple[bytes, bytes]], stated: list[tuple[bytes, bytes]]
) -> None:
    assert await _headers(Cors, asked, stated) == await _headers(CORSMiddleware, asked, stated)
