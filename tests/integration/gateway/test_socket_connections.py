"""A WebSocket counts as one connection from its handshake to its end, and messages of its client cost no more
than their own handling.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.server.websocket_protocol import GuardedWebSocket
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
    """A subscription without events."""

    began_at = ""

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


async def raw_socket(gateway: Running, **more: str) -> Connection:
    connection = Connection(*await asyncio.open_connection("127.0.0.1", gateway.port))
    await connection.send(head("GET", PATH, **UPGRADE, **more))
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


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, compressed: bool = False) -> bytes:
    """A frame of a client (RFC 6455 section 5.2), masked with zeros."""
    head = bytes([fin << 7 | compressed << 6 | opcode])
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return head + size + bytes(4) + data


def deflated(data: bytes) -> bytes:
    """Compressed as in permessage-deflate (RFC 7692)."""
    compress = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (compress.compress(data) + compress.flush(zlib.Z_SYNC_FLUSH))[:-4]


FLOODS = {
    "messages": frame(1, b"x"),
    "fragments of one message, each empty": frame(0, fin=False),
    "compressed zeros": frame(2, deflated(bytes(60_000)), compressed=True),
    "pings": frame(9, b"x" * 125),
    "pongs nobody asked for": frame(10),
    "what is no UTF-8": frame(1, b"\xff\xff"),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_client_that_goes_on_talking_is_closed(
    gateway: Running, flood: str, caplog: pytest.LogCaptureFixture
) -> None:
    more = {"Sec_WebSocket_Extensions": "permessage-deflate"} if flood.startswith("compressed") else {}
    connection = await raw_socket(gateway, **more)
    if flood.startswith("fragments"):
        await connection.send(frame(2, b"x", fin=False))
    before = resident()
    with contextlib.suppress(ConnectionError):
        for _ in range(300):
            await connection.send(FLOODS[flood] * 500)
    said = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            while data := await connection.reader.read(1 << 16):
                said = (said + data)[-200:]
    connection.leave()
    await until(lambda: count(gateway) == 0, "the flood goes on")
    assert resident() - before < 30 << 20
    assert b"Traceback" not in caplog.text.encode()
    assert 'http_connections_cut_total{reason="frames"} 1.0' in gateway.services.metrics.render().decode()


NO_TEXTS = {
    "whole": frame(1, b"\xff"),
    "a surrogate": frame(1, b"\xed\xa0\x80"),
    "cut at its end": frame(1, b"\xe2\x82"),
    "in the last fragment": frame(1, b"\xe2", fin=False) + frame(9) + frame(0, b"\x82\xac\xc0"),
    "in a first fragment": frame(1, b"\xff", fin=False),
}


@pytest.mark.parametrize("text", NO_TEXTS)
async def test_a_text_that_is_none_closes_the_connection(gateway: Running, text: str) -> None:
    """RFC 6455 section 8.1, close code 1007."""
    connection = await raw_socket(gateway)
    await connection.send(NO_TEXTS[text])
    said = b""
    async with asyncio.timeout(60):
        while data := await connection.reader.read(1 << 16):
            said += data
    connection.leave()
    assert said.endswith(b"\x03\xefthis text is not UTF-8")
    await until(lambda: count(gateway) == 0, "the connection stays")


async def test_a_few_words_are_passed_over(gateway: Running) -> None:
    connection = await raw_socket(gateway)
    text = frame(1, b"\xe2\x82", fin=False) + frame(10) + frame(0, b"\xac")
    await connection.send(
        text + frame(1, b"hello") * 20 + frame(2, b"\xff", fin=False) + frame(0) + frame(9, b"?")
    )
    assert await connection.reader.readexactly(3) == b"\x8a\x01?"
    assert count(gateway) == 1
    await connection.send(frame(8, struct.pack(">H", 1000)))
    assert await connection.reader.read() == b"\x88\x02" + struct.pack(">H", 1000)
    connection.leave()


@pytest.mark.parametrize(
    "wrong",
    [
        {"Sec_WebSocket_Protocol": ',,"'},
        {"Sec_WebSocket_Extensions": "=;,"},
        {"Upgrade": "h2c, websocket"},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Version": "8"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_handshake_that_is_none_is_a_problem(gateway: Running, wrong: dict[str, str]) -> None:
    connection = Connection(*await asyncio.open_connection("127.0.0.1", gateway.port))
    await connection.send(head("GET", PATH, **{**UPGRADE, **wrong}))
    answer = await connection.answer()
    assert (answer.status, answer.problem["code"]) == (426, "MALFORMED_REQUEST")
    connection.leave()


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (PATH, {"Sec_WebSocket_Protocol": ",".join(f"p{number}" for number in range(2000))}),
        (PATH, {"Sec_WebSocket_Extensions": "a;b=c," * 2000 + "a"}),
        (PATH, {"Cookie": "a" * 9000}),
        (PATH + "?ticket=" + "a" * 9000, {}),
    ],
    ids=["protocols", "extensions", "another header", "address"],
)
async def test_a_handshake_that_is_too_long_is_a_problem(
    gateway: Running, path: str, wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GuardedWebSocket, "handshake_seconds", 3600.0)  # the time limit does not end it
    connection = Connection(*await asyncio.open_connection("127.0.0.1", gateway.port))
    await connection.send(head("GET", path, **{**UPGRADE, **wrong}))
    answer = await connection.answer()
    assert (answer.status, answer.problem["code"]) == (431, "MALFORMED_REQUEST")
    assert "8192 bytes" in answer.problem["detail"]
    connection.leave()
    await until(lambda: count(gateway) == 0, "a refused WebSocket is still counted")


async def test_a_handshake_in_a_process_that_leaves(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = asyncio.Event()

    async def never(_call: Any, _owner: str) -> Silence:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable: it waits until it is cancelled")

    monkeypatch.setattr(gateway.services.feeds, "subscribe", never)
    connection = Connection(*await asyncio.open_connection("127.0.0.1", gateway.port))
    await connection.send(head("GET", PATH, **UPGRADE))
    async with asyncio.timeout(60):
        await entered.wait()
    gateway.server.stop()
    answer = await connection.answer()
    assert (answer.status, answer.problem["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1
    connection.leave()


def resident() -> int:
    """Resident bytes of this process, which runs gateway and client."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
