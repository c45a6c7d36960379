"""Limits, back-pressure, readiness and drain, equal on both channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import grpc
import pytest
from grpc import aio

from servicekit.inprocess import InProcessChannel, InProcessServer
from servicekit.inprocess.pipe import WINDOW_BYTES
from tests.contract.channel.conftest import Handlers, Watched, Way, failure

CODE = grpc.StatusCode


async def same(request: bytes, context: Any) -> bytes:
    return request


async def test_more_calls_at_once_than_allowed_are_refused(way: Way) -> None:
    watched = Watched()
    async with way(most=2, unary=same, down=watched.trickle) as client:
        held = [client.down(b"") for _ in range(2)]
        for call in held:
            assert await call.read() == b"first"
        error = await failure(client.unary(b"a"))
        assert (error.code(), error.details()) == (
            CODE.RESOURCE_EXHAUSTED,
            "Concurrent RPC limit exceeded!",
        )
        for call in held:
            call.cancel()
        await watched.ended.wait()
        code = CODE.RESOURCE_EXHAUSTED
        while code is CODE.RESOURCE_EXHAUSTED:  # a call counts for a moment longer than its servicer runs
            code, _ = await asyncio.gather(client.unary(b"a").code(), asyncio.sleep(0.01))
        assert code is CODE.OK


MANY = 600
HELD_UP = 400
"""Messages of 100 kB: HTTP/2 buffers some 12 MB in sockets and windows, which grow with measured
bandwidth.
"""


async def test_a_reader_that_takes_nothing_holds_the_servicer_up(way: Way) -> None:
    sent = 0

    async def servicer(request: Any, context: Any) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(MANY):
            yield b"x" * 100_000
            sent += 1

    async with way(down=servicer) as client:
        call = client.down(b"")
        assert len(await call.read()) == 100_000
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < HELD_UP
        rest = [await call.read() for _ in range(MANY - 1)]
        assert {len(one) for one in rest} == {100_000}
        assert await call.read() is aio.EOF


async def test_a_servicer_that_reads_nothing_holds_the_writer_up(way: Way) -> None:
    go = asyncio.Event()
    sent = 0

    async def servicer(requests: Any, context: Any) -> bytes:
        await go.wait()
        return b"%d" % sum([len(one) async for one in requests])

    async with way(up=servicer) as client:
        call = client.up()

        async def write() -> None:
            nonlocal sent
            for _ in range(MANY):
                await call.write(b"x" * 100_000)
                sent += 1
            await call.done_writing()

        writer = asyncio.create_task(write())
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < HELD_UP
        go.set()
        await writer
        assert await call == b"%d" % (MANY * 100_000)


async def test_stopping_waits_for_calls_and_cuts_them_at_the_end(way: Way) -> None:
    watched, finish = Watched(), asyncio.Event()

    async def finishing(request: bytes, context: Any) -> bytes:
        await finish.wait()
        return request

    async with way(unary=finishing, down=watched.trickle) as client:
        ends = asyncio.ensure_future(client.unary(b"done"))
        endless = client.down(b"")
        assert await endless.read() == b"first"
        stopping = asyncio.create_task(client.server.stop(0.6))
        await asyncio.sleep(0.1)
        assert not stopping.done()
        refused = await failure(client.unary(b"late"))
        assert refused.code() is CODE.UNAVAILABLE
        finish.set()
        assert await ends == b"done"
        cut = await failure(endless.read())
        assert cut.code() is CODE.UNAVAILABLE
        await stopping
        await watched.ended.wait()
        assert watched.how == "cancelled"
        assert client.channel.get_state() is not grpc.ChannelConnectivity.READY
        waiting = await failure(client.unary(b"late", wait_for_ready=True, timeout=0.3))
        assert waiting.code() is CODE.DEADLINE_EXCEEDED


async def test_a_server_without_calls_stops_at_once(way: Way) -> None:
    async with way(unary=same) as client, asyncio.timeout(60):
        assert await client.unary(b"a") == b"a"
        await client.server.stop(30)


async def test_the_channel_says_when_it_is_ready_and_closed(way: Way) -> None:
    watched = Watched()
    async with way(unary=watched.forever) as client:
        await client.channel.channel_ready()
        assert client.channel.get_state() is grpc.ChannelConnectivity.READY
        call = client.unary(b"")
        await watched.begun.wait()
        await client.channel.close()
        await watched.ended.wait()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert client.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
        with pytest.raises(aio.UsageError):
            await client.unary(b"")


class Tracing(aio.ServerInterceptor):
    """Records its name around each lookup. ``refuses``: finds no handler."""

    def __init__(self, name: str, seen: list[str], refuses: bool = False) -> None:
        self._name, self._seen, self._refuses = name, seen, refuses

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self._seen.append(f"{self._name} {handler_call_details.method.rpartition('/')[2]}")
        assert dict(handler_call_details.invocation_metadata).get("k") == "v"
        return None if self._refuses else await continuation(handler_call_details)


@pytest.mark.parametrize("refuses", [False, True])
async def test_interceptors_run_in_order(way: Way, refuses: bool) -> None:
    seen: list[str] = []
    interceptors = (Tracing("outer", seen), Tracing("inner", seen, refuses))
    async with way(unary=same, interceptors=interceptors) as client:
        call = client.unary(b"a", metadata=(("k", "v"),))
        assert await call.code() is (CODE.UNIMPLEMENTED if refuses else CODE.OK)
        assert seen == ["outer Unary", "inner Unary"]


VARIABLE: ContextVar[str] = ContextVar("of_a_caller", default="nobody's")


async def test_context_variables_do_not_leak_into_the_service(way: Way) -> None:
    async def servicer(request: Any, context: Any) -> bytes:
        found = VARIABLE.get()
        VARIABLE.set("the servicer's")
        return found.encode()

    async with way(unary=servicer) as client:
        VARIABLE.set("the caller's")
        assert await client.unary(b"") == b"nobody's"
        assert VARIABLE.get() == "the caller's"
        assert await client.unary(b"") == b"nobody's"


async def test_within_a_process_waiting_for_a_service_that_starts_later() -> None:
    server = InProcessServer()
    Handlers(unary=same).add_to(server)
    async with InProcessChannel(server) as channel, asyncio.timeout(60):
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE
        method: Any = channel.unary_unary("/strongroom.test.v1.Plain/Unary")
        assert (await failure(method(b"a"))).code() is CODE.UNAVAILABLE
        waiting = method(b"a", wait_for_ready=True)
        change = asyncio.create_task(channel.wait_for_state_change(channel.get_state()))
        await asyncio.sleep(0)
        await server.start()
        assert await waiting == b"a"
        await change
        await server.stop(None)
        assert channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE


async def test_within_a_process_no_more_than_the_window_waits() -> None:
    sent = 0

    async def servicer(request: Any, context: Any) -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1024

    server = InProcessServer()
    Handlers(down=servicer).add_to(server)
    await server.start()
    async with InProcessChannel(server) as channel:
        call: Any = channel.unary_stream("/strongroom.test.v1.Plain/Down")(b"")
        assert len(await call.read()) == 1024
        for _ in range(10):
            await asyncio.sleep(0)
        assert sent <= WINDOW_BYTES // 1024 + 2
        call.cancel()
    await server.stop(None)


async def test_within_a_process_the_context_tells_that_the_caller_has_left() -> None:
    told: list[tuple[bool, bool]] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def servicer(request: Any, context: Any) -> bytes:
        told.append((context.cancelled(), context.done()))
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append((context.cancelled(), context.done()))
            ended.set()
        return b""

    server = InProcessServer()
    Handlers(unary=servicer).add_to(server)
    await server.start()
    async with InProcessChannel(server) as channel, asyncio.timeout(60):
        call: Any = channel.unary_unary("/strongroom.test.v1.Plain/Unary")(b"")
        await begun.wait()
        call.cancel()
        await ended.wait()
        assert told == [(False, False), (True, True)]
        assert call.cancelled()
    await server.stop(None)
