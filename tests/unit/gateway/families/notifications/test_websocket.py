"""The WebSocket of notifications ends with a code that tells its reader what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message

from gateway.families.notifications import websocket
from strongroom.errors import TokenExpired
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READY, Event, WatchResponse

EVENT = WatchResponse(event=Event(id="1-1-1", type=EVENT_TYPE_FILE_READY, payload_json="{}"))


class FakeWatch:
    """Yields some messages; then the service ends the stream, or it stays open."""

    def __init__(self, *messages: WatchResponse, ends: bool = True) -> None:
        self.messages = messages
        self.ends = ends
        self.closed = asyncio.Event()
        self.refusal: TokenExpired | None = None

    async def __aiter__(self) -> AsyncIterator[WatchResponse]:
        for message in self.messages:
            yield message
        if not self.ends:
            await self.closed.wait()

    def close(self) -> None:
        self.closed.set()


class Client:
    """Reads the sent messages unless it is ``stuck``; ``leave`` closes its side."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck = stuck
        self.got: list[Message] = []
        self.left = asyncio.Event()
        self.served = asyncio.Event()

    async def send(self, message: Message) -> None:
        if self.stuck and message["type"] == "websocket.send":
            await asyncio.Event().wait()
        self.got.append(message)
        self.served.set()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "websocket.disconnect", "code": 1000}


async def serve(watch: Any, client: Client, idle_seconds: float = 60.0) -> None:
    async with asyncio.timeout(60):
        await websocket._serve(watch, client.receive, client.send, idle_seconds)


async def test_heartbeats_are_not_shown_and_a_restart_says_so() -> None:
    watch, client = FakeWatch(WatchResponse(), EVENT, WatchResponse()), Client()
    await serve(watch, client)
    assert [message["type"] for message in client.got] == ["websocket.send", "websocket.close"]
    assert client.got[-1]["code"] == websocket.RESTARTING
    assert watch.closed.is_set()


async def test_a_reader_that_is_too_slow_is_told_to_come_again() -> None:
    watch, client = FakeWatch(EVENT, EVENT, ends=False), Client(stuck=True)
    await serve(watch, client, idle_seconds=0.05)
    assert client.got == [{"type": "websocket.close", "code": websocket.TOO_SLOW}]
    assert watch.closed.is_set()


async def test_a_client_that_leaves_ends_the_watch() -> None:
    watch, client = FakeWatch(EVENT, ends=False), Client()
    serving = asyncio.create_task(serve(watch, client))
    await client.served.wait()
    client.left.set()
    await serving
    assert [message["type"] for message in client.got] == ["websocket.send"]
    assert watch.closed.is_set()


async def test_a_token_that_has_expired_is_told_as_the_reason() -> None:
    watch, client = FakeWatch(EVENT), Client()
    watch.refusal = TokenExpired("over")
    await serve(watch, client)
    assert client.got[-1] == {
        "type": "websocket.close", "code": websocket.POLICY_VIOLATION, "reason": "TOKEN_EXPIRED",
    }  # fmt: skip


async def test_a_client_that_leaves_before_it_is_accepted_watches_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = FakeWatch(ends=False)

    async def begin(*_: Any) -> FakeWatch:
        return watch

    async def send(_: Message) -> None:
        raise ConnectionResetError

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    services: Any = SimpleNamespace(limiter=None, settings=SimpleNamespace(gateway_secret=None))
    sockets = websocket.WebSockets(services)
    monkeypatch.setattr(sockets, "_begin", begin)
    with pytest.raises(ConnectionResetError):
        await sockets({"type": "websocket", "subprotocols": ()}, receive, send)
    assert watch.closed.is_set()
