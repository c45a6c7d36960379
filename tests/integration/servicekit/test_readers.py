"""A reader that does not read its response stream is cut off, and holds no memory."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from benchmarks.attacks.http2 import PREFACE, frame
from servicekit.context import current_writing
from servicekit.interceptors import errors
from servicekit.serving.server import serve_in_process
from strongroom.errors import DeadlineExceeded, Overloaded, from_rpc_error
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadResponse
from tests.integration.servicekit.conftest import Serving
from tests.integration.servicekit.echo import SERVICE, Echo, EchoStub, bearer, settings
from tests.integration.servicekit.test_http2_floods import (
    DATA,
    END_HEADERS,
    HEADERS,
    SETTINGS,
    WINDOW,
    literal,
)

ONE = GetUploadRequest(upload_id="u")
END_STREAM = 1
REQUEST_HEAD = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", f"/{SERVICE}/ServerStream"),
    (":authority", "x"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)
BIG = UploadResponse(url="x" * (1 << 20))


class Pouring(Echo):
    """Sends messages of 1 MiB as long as they are read, in every way of sending."""

    def __init__(self, way: str) -> None:
        self.ended = asyncio.Event()
        self.sent = 0
        self.writing: Any = None
        pour: Any = self._write if way == "context" else self._generate
        kinds: dict[str, Any] = {"bidi" if way == "bidi" else "server_stream": pour}
        super().__init__(**kinds)

    async def _generate(self, _: Any, context: Any) -> AsyncIterator[UploadResponse]:
        self.writing = current_writing()
        try:
            for _n in range(100):
                yield BIG
                self.sent += 1
        finally:
            self.ended.set()

    async def _write(self, _: Any, context: Any) -> None:
        self.writing = current_writing()
        try:
            for _n in range(100):
                await current_writing().write(context, BIG)
                self.sent += 1
        finally:
            self.ended.set()


def call(stub: EchoStub, way: str) -> Any:
    if way == "bidi":
        return stub.bidi(metadata=bearer(), timeout=60)
    return stub.server_stream(ONE, metadata=bearer(), timeout=60)


async def rest(running: Any) -> aio.AioRpcError:
    """The error that a stream ends with, after any number of messages."""
    try:
        while await running.read() is not aio.EOF:
            pass
    except aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended well")


@pytest.mark.parametrize("way", ["generator", "context", "bidi"])
async def test_a_reader_that_takes_nothing_is_cut_off(
    way: str, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "ABORT_SECONDS", 60)
    pouring = Pouring(way)
    async with serving(pouring, send_idle_seconds=0.5) as stub:
        running = call(stub, way)
        await running.read()
        async with asyncio.timeout(60):
            await pouring.ended.wait()
        assert pouring.sent < 100  # windows grow to a few MiB
        error = await rest(running)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert isinstance(from_rpc_error(error), DeadlineExceeded)
    assert "took nothing for 0.5 s" in (error.details() or "")


@pytest.mark.parametrize(
    "windows", ["none", "one message", "none of the connection's", "one byte now and then"]
)
async def test_a_peer_that_opens_no_window_is_cut_off(windows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With raw frames: every client library opens its window."""
    monkeypatch.setattr(errors, "ABORT_SECONDS", 0.2)
    pouring = Pouring("generator")
    first = {"none": 0, "one message": 1 << 20, "one byte now and then": 0}.get(windows, 1 << 24)
    head = b"".join(literal(name.encode(), value.encode()) for name, value in (*REQUEST_HEAD, *bearer()))
    message = ONE.SerializeToString()
    async with serve_in_process(pouring.spec(), settings(send_idle_seconds=0.5)) as address:
        reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
        writer.write(PREFACE + frame(SETTINGS, 0, struct.pack(">HI", 4, first)))
        writer.write(frame(HEADERS, 1, head, END_HEADERS))
        writer.write(frame(DATA, 1, struct.pack(">BI", 0, len(message)) + message, END_STREAM))
        async with asyncio.timeout(60):
            while not pouring.ended.is_set():
                if windows == "one byte now and then":
                    writer.write(frame(WINDOW, 1, struct.pack(">I", 1)))
                    assert pouring.sent < 2
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        assert await reader.read(1 << 20) != b"", (
                            "the connection was closed for all its streams"
                        )
        writer.close()
    assert pouring.sent < 100


async def test_a_slow_reader_that_takes_something_is_not(serving: Serving) -> None:
    pouring = Pouring("generator")
    async with serving(pouring, send_idle_seconds=2.0) as stub:
        running = call(stub, "generator")
        for _ in range(24):
            await running.read()
            await asyncio.sleep(0.1)
        assert not pouring.ended.is_set()
        running.cancel()


async def test_whoever_needs_the_memory_may_end_the_call(serving: Serving) -> None:
    pouring = Pouring("generator")
    async with serving(pouring) as stub:
        running = call(stub, "generator")
        await running.read()
        deadline = asyncio.get_running_loop().time() + 60
        while not pouring.writing or pouring.writing.waits() < 0.2:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)
        assert pouring.writing.interrupt(Overloaded("give way", retry_after=1.0))
        assert not pouring.writing.interrupt(Overloaded("again"))
        async with asyncio.timeout(60):
            await pouring.ended.wait()
        found = from_rpc_error(await rest(running))
    assert isinstance(found, Overloaded)
    assert (found.message, found.retry_after) == ("give way", 1.0)
    assert pouring.writing.waits() == 0.0
    assert not pouring.writing.interrupt(Overloaded("too late"))
