"""A body between socket and application: how much of it waits, and who still gets it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any, cast

import pytest

from gateway.server.body import HIGH_WATER_BYTES, RequestBody, has_left


class Flow:
    """Notes whether the socket is read."""

    reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing


class Cycle:
    """uvicorn's state of one request."""

    def __init__(self) -> None:
        self.response_complete = self.disconnected = self.waiting_for_100_continue = False
        self.more_body = True
        self.message_event = asyncio.Event()
        self.transport = Transport()


class Request:
    """A request whose body is being received."""

    def __init__(self) -> None:
        self.cycle, self.flow = Cycle(), Flow()
        self.body = RequestBody(*cast("Any", (self.cycle, self.flow)))

    async def pieces(self) -> list[bytes]:
        """What the application still gets, up to the disconnect or the end."""
        found = []
        while (message := await self.body.receive())["type"] == "http.request":
            found.append(bytes(message["body"]))
            if not message["more_body"]:
                break
        return found


async def test_the_socket_rests_above_the_mark_and_is_read_again_below_half_of_it() -> None:
    request = Request()
    piece = bytes(HIGH_WATER_BYTES // 4)
    for number in range(5):
        assert request.flow.reads, number
        request.body.add(piece)
    assert not request.flow.reads
    await request.body.receive()
    await request.body.receive()
    assert not request.flow.reads, "three quarters of the mark are waiting"
    await request.body.receive()
    assert request.flow.reads


async def test_a_body_that_is_waited_for_is_read_for() -> None:
    request = Request()
    request.flow.pause_reading()
    waiting = asyncio.create_task(request.body.receive())
    await asyncio.sleep(0)
    assert request.flow.reads
    request.body.add(b"late")
    assert (await waiting)["body"] == b"late"


async def test_pieces_come_one_by_one_and_the_last_one_says_so() -> None:
    request = Request()
    for piece in (b"a", b"b"):
        request.body.add(piece)
    request.cycle.more_body = False
    assert await request.pieces() == [b"a", b"b"]
    assert request.body.received == 2
    after = asyncio.create_task(request.body.receive())
    await asyncio.sleep(0)
    assert not after.done(), "the end is told once"
    after.cancel()


@pytest.mark.parametrize(("lingers", "left"), [(False, []), (True, [b"a", b"b"])])
async def test_a_client_that_has_left_is_read_to_its_last_byte_where_that_counts(
    lingers: bool, left: list[bytes]
) -> None:
    request = Request()
    request.body.client.lingers = lingers
    for piece in (b"a", b"b"):
        request.body.add(piece)
    request.cycle.disconnected = True
    assert await request.pieces() == left
    assert await request.body.receive() == {"type": "http.disconnect"}


async def test_what_comes_after_the_answer_is_dropped() -> None:
    request = Request()
    request.cycle.response_complete = True
    request.body.add(bytes(2 * HIGH_WATER_BYTES))
    assert (request.body.received, request.body.client.waiting, request.flow.reads) == (0, 0, True)
    assert await request.body.receive() == {"type": "http.disconnect"}


@pytest.mark.parametrize(("closing", "asked"), [(False, b"HTTP/1.1 100 Continue\r\n\r\n"), (True, b"")])
async def test_a_client_that_asks_is_told_to_continue_once(closing: bool, asked: bytes) -> None:
    request = Request()
    request.cycle.waiting_for_100_continue = True
    request.cycle.transport.closing = closing
    for piece in (b"a", b"b"):
        request.body.add(piece)
        await request.body.receive()
    assert request.cycle.transport.written == asked


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, Any]]:
    """A client's socket, and the server's transport."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()

    class Connection:
        @staticmethod
        def get_extra_info(_: str) -> socket.socket:
            return server

    with client, server:
        yield client, Connection


@pytest.mark.parametrize(("missing", "gone"), [(6, True), (5, False), (None, False)])
def test_who_sends_no_more_has_left_unless_all_has_come(
    connected: tuple[socket.socket, Any], missing: int | None, gone: bool
) -> None:
    client, transport = connected
    client.sendall(b"bytes")
    assert not has_left(transport, 6)
    client.shutdown(socket.SHUT_WR)  # on loopback it arrives before the call ends
    assert has_left(transport, missing) is gone


def test_who_resets_the_connection_has_left(connected: tuple[socket.socket, Any]) -> None:
    client, transport = connected
    client.sendall(b"bytes")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert has_left(transport, None)
