"""No call waits for a free stream on a connection, whatever other calls do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from grpc import aio

from servicekit.serving.channels import make_channel
from servicekit.serving.server import serve_in_process
from strongroom.channel_pool import ChannelPool
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse
from tests.integration.servicekit.echo import Echo, EchoStub, bearer, failure, settings

ONE = GetUploadRequest(upload_id="u")
STALLED = GetUploadRequest(upload_id="stalled")
UPLOAD = "/strongroom.storage.v1.StorageService/Upload"
STREAMS = 4


class Stalling(Echo):
    """Does not answer streams or messages named ``stalled`` before ``let_go``."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        super().__init__(unary=self._unary, client_stream=self._in, server_stream=self._out, bidi=self._both)

    async def _unary(self, request: Any, _: Any) -> UploadResponse:
        if request.upload_id == "stalled":
            await self.let_go.wait()
        return UploadResponse()

    async def _in(self, requests: Any, _: Any) -> UploadResponse:
        await self.let_go.wait()
        return UploadResponse()

    async def _out(self, request: Any, _: Any) -> AsyncIterator[UploadResponse]:
        yield UploadResponse()
        await self.let_go.wait()

    async def _both(self, requests: Any, _: Any) -> AsyncIterator[UploadResponse]:
        yield UploadResponse()
        await self.let_go.wait()


@asynccontextmanager
async def stalling() -> AsyncIterator[tuple[Stalling, ChannelPool, EchoStub]]:
    """A server that allows four streams a connection, and a pool to it."""
    echo, chosen = Stalling(), settings(max_concurrent_streams=STREAMS)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serve_in_process(echo.spec(), chosen))
        pool = await stack.enter_async_context(make_channel(address, chosen))
        stack.callback(echo.let_go.set)
        yield echo, pool, EchoStub(pool)


def begin(stub: EchoStub, kind: str) -> Any:
    """A call of ``kind`` that lasts until the server lets go."""
    options = {"metadata": bearer(), "timeout": 60}
    if kind == "unary":
        return stub.unary(STALLED, **options)
    if kind == "server_stream":
        return stub.server_stream(ONE, **options)
    return getattr(stub, kind)(**options)


async def in_progress(pool: ChannelPool, wanted: int) -> None:
    """Wait until this many calls are counted."""
    deadline = asyncio.get_running_loop().time() + 60
    while sum(pool.calls) != wanted:
        assert asyncio.get_running_loop().time() < deadline, pool.calls
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["unary", "server_stream", "client_stream", "bidi"])
async def test_calls_that_go_on_leave_room_for_another(kind: str) -> None:
    async with stalling() as (_, pool, stub):
        going_on = [begin(stub, kind) for _ in range(5 * STREAMS)]
        for call in going_on[-1:]:
            if kind == "client_stream":
                await call.write(UploadRequest())
            elif kind != "unary":
                await call.read()
        await stub.unary(ONE, metadata=bearer(), timeout=60)
        assert max(pool.calls) == STREAMS // 2
        for call in going_on:
            call.cancel()
        await in_progress(pool, 0)


async def test_a_call_is_counted_until_it_ends_however_it_ends() -> None:
    async with stalling() as (echo, pool, stub):
        await stub.unary(ONE, metadata=bearer(), timeout=60)
        await failure(stub.unary(ONE, timeout=60))  # no token
        await failure(stub.unary(STALLED, metadata=bearer(), timeout=0.1))
        waiting = begin(stub, "unary")
        for turns in range(4):  # cancelled at different stages

            async def cancelled() -> None:
                await begin(stub, "unary")

            at_once = asyncio.create_task(cancelled())
            for _ in range(turns):
                await asyncio.sleep(0)
            at_once.cancel()
        await in_progress(pool, 1)
        echo.let_go.set()
        await waiting
        assert [message async for message in begin(stub, "server_stream")] == [UploadResponse()]
        await in_progress(pool, 0)


async def test_connections_that_are_full_are_filled_again_before_further_ones() -> None:
    async with stalling() as (_, pool, stub):
        first = [begin(stub, "server_stream") for _ in range(2 * STREAMS)]
        opened = len(pool.calls)
        for call in first:
            call.cancel()
        await in_progress(pool, 0)
        again = [begin(stub, "server_stream") for _ in range(STREAMS)]
        assert [await call.read() for call in again] == [UploadResponse()] * STREAMS
        assert pool.calls == (2, 2, 0, 0)
        assert opened == 4


async def test_two_pools_share_no_connection() -> None:
    peers = set()

    async def peer(_: Any, context: Any) -> UploadResponse:
        peers.add(context.peer())
        return UploadResponse()

    async with (
        serve_in_process(Echo(unary=peer).spec(), settings()) as address,
        make_channel(address, settings()) as one,
        make_channel(address, settings()) as two,
    ):
        for channel in (one, two, one, two):
            await EchoStub(channel).unary(ONE, metadata=bearer(), timeout=60)
    assert len(peers) == 2


async def test_a_stub_for_each_call_has_the_methods_of_the_first() -> None:
    """Clients create stubs on demand; cached methods of a lane would otherwise grow with every call."""
    async with stalling() as (_, pool, _stub):
        first, second = StorageServiceStub(pool), StorageServiceStub(pool)
        assert vars(first) == vars(second)
        other = pool.unary_unary(UPLOAD, lambda _: b"", UploadResponse.FromString)
        assert other is not pool.unary_unary(
            UPLOAD, UploadRequest.SerializeToString, UploadResponse.FromString
        )


async def test_a_closed_pool_says_so() -> None:
    async with stalling() as (_, pool, stub):
        await pool.close()
        with pytest.raises(aio.UsageError, match="closed"):
            await stub.unary(ONE, metadata=bearer(), timeout=60)


def test_a_connection_carries_at_least_one_call() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ChannelPool(lambda _: aio.insecure_channel("127.0.0.1:1"), 0)
