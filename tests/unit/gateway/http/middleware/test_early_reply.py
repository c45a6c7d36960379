"""Responses sent before the body was read."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.http.leaving import Draining
from gateway.http.middleware.early_reply import EarlyReplies


class Client:
    """Sends ``pieces``, then nothing more; records the messages it gets."""

    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self.pieces = list(pieces)
        self.leaves = leaves
        self.asked = 0
        self.messages: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if not self.pieces:
            assert self.leaves, "asked for more than there is"
            return {"type": "http.disconnect"}
        return {
            "type": "http.request",
            "body": self.pieces.pop(0),
            "more_body": bool(self.pieces) or self.leaves,
        }

    async def send(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def closes(self) -> bool:
        return (b"connection", b"close") in self.messages[0]["headers"]


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"no", "more_body": False})


async def read_all(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await refuse(scope, receive, send)


async def run(client: Client, app: Any = refuse, **headers: str) -> Client:
    names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    scope = {"type": "http", "headers": list(names.items())}
    await EarlyReplies(app, Draining(), limit=100, seconds=5)(scope, client.receive, client.send)
    return client


async def test_the_answer_goes_out_before_the_rest_is_dropped() -> None:
    client = await run(Client(b"a" * 40, b"b" * 40, leaves=True), content_length="1000000")
    assert client.closes
    assert client.messages[1] == {"type": "http.response.body", "body": b"no", "more_body": True}
    assert client.messages[2] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert client.asked == 3


async def test_no_more_than_the_limit_is_read() -> None:
    client = await run(Client(*[b"x" * 60] * 50), content_length="1000000")
    assert client.asked == 2


async def test_small_bodies_are_read_and_the_connection_stays() -> None:
    client = await run(Client(b"x" * 50), content_length="50")
    assert not client.closes
    assert client.asked == 1


async def test_chunked_bodies_close() -> None:
    assert (await run(Client(b"x"), transfer_encoding="chunked")).closes


async def test_whoever_waits_for_continue_is_not_asked_to_send() -> None:
    client = await run(Client(b"x"), content_length="1000000", expect="100-continue")
    assert client.closes
    assert client.asked == 0


@pytest.mark.parametrize("headers", [{}, {"content_length": "0"}, {"content_length": "00"}])
async def test_requests_without_a_body_pass_untouched(headers: dict[str, str]) -> None:
    client = await run(Client(), **headers)
    assert not client.closes
    assert (len(client.messages), client.asked) == (2, 0)


async def test_a_body_that_was_read_passes_untouched() -> None:
    client = await run(Client(b"x" * 40, b"y"), read_all, content_length="1000000")
    assert not client.closes
    assert len(client.messages) == 2
