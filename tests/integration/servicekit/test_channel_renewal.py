"""The next call reaches a server that came back, however long gRPC's back-off is."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from servicekit.options import client_options
from strongroom.channel_pool import ChannelPool, Option
from strongroom.client.channels import channel_options
from tests.ports import free_port

UNARY, WATCH = "/pool.Test/Unary", "/pool.Test/Watch"
#: A plain channel would not reconnect within the test.
NEVER: tuple[Option, ...] = (
    ("grpc.initial_reconnect_backoff_ms", 600_000),
    ("grpc.max_reconnect_backoff_ms", 600_000),
)
#: These servers have no health service.
OPTIONS = (*NEVER, ("grpc.min_reconnect_backoff_ms", 20_000), ("grpc.inhibit_health_checking", 1))


class Echo(grpc.GenericRpcHandler):
    """Answers with the request; ``Watch`` answers once and then lasts until it is cancelled."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method == UNARY:
            return grpc.unary_unary_rpc_method_handler(self._unary)
        return grpc.unary_stream_rpc_method_handler(self._watch)

    async def _unary(self, request: bytes, _: Any) -> bytes:
        return request

    async def _watch(self, request: bytes, _: Any) -> AsyncIterator[bytes]:
        yield request
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[None]:
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@asynccontextmanager
async def pool_to(
    port: int, base: Sequence[Option], opened: list[weakref.ref[aio.Channel]] | None = None, **options: Any
) -> AsyncIterator[ChannelPool]:
    def open_channel(of_pool: Sequence[Option]) -> aio.Channel:
        channel = aio.insecure_channel(f"127.0.0.1:{port}", options=[*base, *of_pool])
        if opened is not None:
            opened.append(weakref.ref(channel))
        return channel

    async with ChannelPool(open_channel, **options) as pool:
        yield pool


async def refused(call: Any) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "base",
    [
        pytest.param([*client_options(), *OPTIONS], id="services"),
        pytest.param([*channel_options(), *OPTIONS], id="sdk"),
    ],
)
async def test_a_server_that_is_back_is_found_by_the_next_call(base: list[Option]) -> None:
    port = free_port()
    async with pool_to(port, base, renewal_seconds=0) as pool:
        unary, watch = pool.unary_unary(UNARY), pool.unary_stream(WATCH)
        for _ in range(2):
            async with serving(port):
                assert await unary(b"x", timeout=10) == b"x"
            await refused(unary(b"x", timeout=10))  # not a time-out: an unreachable server fails fast
            await refused(watch(b"x", timeout=10).read())
        async with serving(port):
            call = watch(b"w", timeout=10)
            assert await call.read() == b"w"
            call.cancel()


async def test_a_server_that_was_never_there_is_found_when_it_comes() -> None:
    port = free_port()
    async with pool_to(port, OPTIONS, renewal_seconds=0) as pool:
        unary = pool.unary_unary(UNARY)
        await refused(unary(b"x", timeout=10))
        async with serving(port):
            assert await unary(b"x", timeout=10) == b"x"


async def test_every_connection_of_a_pool_is_renewed() -> None:
    port = free_port()
    async with pool_to(port, OPTIONS, calls_per_connection=1, renewal_seconds=0) as pool:
        unary, watch = pool.unary_unary(UNARY), pool.unary_stream(WATCH)
        async with serving(port):
            held = [watch(b"w", timeout=10) for _ in range(3)]
            assert [await call.read() for call in held] == [b"w"] * 3
        for call in held:
            assert await call.code() is not grpc.StatusCode.OK
        for _ in range(3):
            await refused(unary(b"x", timeout=10))
        async with serving(port):
            held = [watch(b"w", timeout=10) for _ in range(3)]
            assert [await call.read() for call in held] == [b"w"] * 3
            assert len(pool.calls) == 3


async def test_a_server_that_is_away_is_not_connected_to_by_each_call() -> None:
    opened: list[weakref.ref[aio.Channel]] = []
    async with pool_to(free_port(), OPTIONS, opened, renewal_seconds=3600) as pool:
        unary = pool.unary_unary(UNARY)
        for _ in range(20):
            await refused(unary(b"x", timeout=10))
    assert len(opened) == 2


async def test_channels_that_were_replaced_go_away() -> None:
    opened: list[weakref.ref[aio.Channel]] = []
    async with pool_to(free_port(), OPTIONS, opened, renewal_seconds=0) as pool:
        unary = pool.unary_unary(UNARY)
        for _ in range(20):
            await refused(unary(b"x", timeout=10))
        await asyncio.sleep(0)
        await refused(unary(b"x", timeout=10))
        gc.collect()
        assert len(opened) == 21
        assert sum(channel() is not None for channel in opened) <= 3
