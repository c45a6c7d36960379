"""Answers and their texts."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http.reply import Reply, json_reply
from gateway.http.shapes import rfc3339


async def sent(reply: Reply, method: str = "GET") -> tuple[dict[str, Any], bytes]:
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    await reply.send_to({"type": "http", "method": method}, receive, send)
    return messages[0], b"".join(message["body"] for message in messages[1:])


async def test_json() -> None:
    start, body = await sent(json_reply({"name": "ü", "n": None}, 201))
    assert (start["status"], body) == (201, '{"name":"ü","n":null}'.encode())
    assert dict(start["headers"])[b"content-length"] == b"22"


async def test_head_has_the_length_without_the_body() -> None:
    start, body = await sent(json_reply({"a": 1}), "HEAD")
    assert dict(start["headers"])[b"content-length"] == b"7"
    assert body == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(status: int) -> None:
    start, body = await sent(Reply(status, b"never"))
    assert b"content-length" not in dict(start["headers"])
    assert body == b""


@pytest.mark.parametrize(
    ("seconds", "nanos", "wanted"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (1767323045, 123456789, "2026-01-02T03:04:05.123456Z"),
        (1767323045, 999, "2026-01-02T03:04:05Z"),
    ],
)
def test_times(seconds: int, nanos: int, wanted: str) -> None:
    assert rfc3339(Timestamp(seconds=seconds, nanos=nanos)) == wanted
