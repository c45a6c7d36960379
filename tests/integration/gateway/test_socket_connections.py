"""A WebSocket is one connection in the metrics from its handshake to its end, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.harness import Running, bearer, run_gateway
from tests.integration.gateway.raw import Connection, head, until

PATH = "/api/notifications/ws"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Silence:
    """A subscription in which nothing happens."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    def end(self) -> None:
        self._over.set()

    def __aiter__(self) -> Silence:
        return self

    async def __anext__(self) -> Any:
        await self._over.wait()
        raise StopAsyncIteration


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    async def subscribe(_call: Any, _owner: str) -> Silence:
        return Silence()

    async with run_gateway() as running:
        monkeypatch.setattr(running.services.feeds, "subscribe", subscribe)
        yield running


def count(gateway: Running) -> float:
    return float(gateway.services.metrics.connections._value.get())


async def raw_socket(gateway: Running) -> Connection:
    connection = Connection(*await asyncio.open_connection("127.0.0.1", gateway.port))
    await connection.send(head("GET", PATH, **UPGRADE))
    assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return connection


async def test_one_that_is_closed_in_order(gateway: Running) -> None:
    async with connect(
        f"ws://{gateway.address}{PATH}", additional_headers=bearer(), proxy=None, open_timeout=30
    ):
        await until(lambda: count(gateway) == 1, "the WebSocket is not counted, or twice")
    await until(lambda: count(gateway) == 0, "a closed WebSocket is still counted")


@pytest.mark.parametrize("end", ["reset", "leave"])
async def test_one_whose_client_is_gone(gateway: Running, end: str) -> None:
    connections = [await raw_socket(gateway) for _ in range(3)]
    await until(lambda: count(gateway) == 3, "the WebSockets are not counted, or twice")
    for connection in connections:
        getattr(connection, end)()
    await until(lambda: count(gateway) == 0, "WebSockets without a client are still counted")


async def test_one_that_breaks_the_protocol(gateway: Running) -> None:
    connection = await raw_socket(gateway)
    await connection.send(b"\xff\xff\xff\xff")
    assert await connection.closed()
    connection.leave()
    await until(lambda: count(gateway) == 0, "a failed WebSocket is still counted")


async def test_one_that_is_refused(gateway: Running) -> None:
    for path in (PATH, "/elsewhere"):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{gateway.address}{path}", proxy=None, open_timeout=30)
    await until(lambda: count(gateway) == 0, "a refused handshake is still counted")


async def test_one_behind_other_requests(gateway: Running) -> None:
    connection = Connection(*await asyncio.open_connection("127.0.0.1", gateway.port))
    await connection.send(head("GET", "/healthz"))
    assert (await connection.answer()).status == 200
    await connection.send(head("GET", PATH, **UPGRADE))
    assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    await until(lambda: count(gateway) == 1, "the connection is counted twice")
    connection.reset()
    await until(lambda: count(gateway) == 0, "the connection is still counted")
