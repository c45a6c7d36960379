"""Cancellation, client death and back-pressure look the same to a servicer as without the pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from servicekit.serving.server import serve_in_process
from servicekit.telemetry.rpcs import Metrics
from strongroom.errors import Overloaded, UploadIncomplete, from_rpc_error
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse
from tests.integration.servicekit.conftest import Serving
from tests.integration.servicekit.echo import Echo, EchoStub, bearer, everything, failure, refusal, settings
from tests.integration.servicekit.test_metrics import samples

ONE = GetUploadRequest(upload_id="u")


class Watched:
    """Records how a handler ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.how = ""

    async def unary(self, request: Any, context: Any) -> UploadResponse:
        self.started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.how = "cancelled"
            raise
        finally:
            self.ended.set()
        return UploadResponse()

    async def endless(self, request: Any, context: Any) -> Any:
        try:
            while True:
                yield UploadResponse()
                self.started.set()
                await asyncio.sleep(0.005)
        finally:
            self.how = "closed"
            self.ended.set()

    async def read_all(self, requests: Any, context: Any) -> UploadResponse:
        size = 0
        try:
            async for message in requests:
                size += len(message.data)
                self.started.set()
            self.how = "clean end"
        except asyncio.CancelledError:
            self.how = "cancelled"
            raise
        finally:
            self.ended.set()
        return UploadResponse(persisted_size=size)


async def test_a_cancelled_call_cancels_its_handler(serving: Serving) -> None:
    watched = Watched()
    async with serving(Echo(unary=watched.unary)) as stub:
        call = stub.unary(ONE, metadata=bearer())
        waiting = asyncio.ensure_future(failure(call))
        await watched.started.wait()
        call.cancel()
        await asyncio.wait_for(watched.ended.wait(), 60)
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert watched.how == "cancelled"


async def test_a_deadline_cancels_its_handler(serving: Serving) -> None:
    watched = Watched()
    async with serving(Echo(unary=watched.unary)) as stub:
        failed = await failure(stub.unary(ONE, metadata=bearer(), timeout=0.3))
        assert failed.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(watched.ended.wait(), 60)
    assert watched.how == "cancelled"


async def test_a_cancelled_response_stream_closes_its_generator(serving: Serving) -> None:
    watched = Watched()
    async with serving(Echo(server_stream=watched.endless)) as stub:
        call = stub.server_stream(ONE, metadata=bearer())
        async for _ in call:
            break
        await watched.started.wait()
        call.cancel()
        await asyncio.wait_for(watched.ended.wait(), 60)
    assert watched.how == "closed"


async def test_a_write_to_a_caller_who_has_left_is_no_bug_of_ours(serving: Serving) -> None:
    """The write often fails before the cancellation arrives; in both cases the call counts as cancelled."""

    async def endless(request: Any, context: Any) -> Any:
        while True:
            yield UploadResponse(file=File(key="x" * 1_000_000))

    metrics = Metrics()
    async with serving(Echo(server_stream=endless), metrics=metrics) as stub:
        for _ in range(50):
            call = stub.server_stream(ONE, metadata=bearer())
            async for _ in call:
                break
            await asyncio.sleep(0.02)
            call.cancel()
        async with asyncio.timeout(60):
            while samples(metrics, "grpc_server_in_flight") != {("ServerStream",): 0.0}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert samples(metrics, "grpc_server_handled_total") == {("ServerStream", "CANCELLED"): 50.0}


async def how_it_ends(add: Any, options: Any) -> str:
    """How a servicer's request stream ends if the client dies in the middle of it."""
    watched = Watched()
    echo = Echo(client_stream=watched.read_all)
    async with add(echo) as address:
        channel = aio.insecure_channel(address)

        async def chunks() -> Any:
            yield UploadRequest(data=b"x")
            await asyncio.sleep(60)

        call = EchoStub(channel).client_stream(chunks(), metadata=bearer())
        await watched.started.wait()
        call.cancel()
        await channel.close()
        await asyncio.wait_for(watched.ended.wait(), 60)
    return watched.how


async def test_client_death_looks_as_it_does_without_the_pipeline() -> None:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def bare(echo: Echo) -> Any:
        server = aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        echo.add(server)
        await server.start()
        yield f"127.0.0.1:{port}"
        await server.stop(None)

    def ours(echo: Echo) -> Any:
        return serve_in_process(echo.spec(), settings())

    assert await how_it_ends(ours, None) == await how_it_ends(bare, None)


async def test_a_cancellation_that_nobody_asked_for_is_a_bug_and_no_hanging_call(serving: Serving) -> None:
    async def handler(request: Any, context: Any) -> UploadResponse:
        orphan = asyncio.get_running_loop().create_future()
        orphan.cancel()
        await orphan
        return UploadResponse()

    async with serving(Echo(unary=handler)) as stub:
        failed = await failure(stub.unary(ONE, metadata=bearer(), timeout=20))
    assert failed.details() == "internal error; quote request id req-1"


async def test_messages_above_four_mebibytes_are_refused(serving: Serving) -> None:
    async with serving(Echo()) as stub:
        size = 4 * 1024 * 1024
        failed = await refusal(stub.client_stream, UploadRequest(data=bytes(size)), metadata=bearer())
        fits = await stub.client_stream(iter([UploadRequest(data=bytes(size - 100))]), metadata=bearer())
    assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert fits.persisted_size == size - 100


async def test_a_small_message_that_unpacks_to_a_large_one_is_refused(serving: Serving) -> None:
    async with serving(Echo()) as stub:
        bomb = UploadRequest(data=bytes(64 * 1024 * 1024))
        packing = grpc.Compression.Gzip
        failed = await refusal(stub.client_stream, bomb, metadata=bearer(), compression=packing)
    assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_calls_above_the_limit_of_the_process_are_refused_at_once(serving: Serving) -> None:
    watched = Watched()
    async with serving(Echo(unary=watched.unary), max_concurrent_rpcs=1) as stub:
        first = stub.unary(ONE, metadata=bearer())
        waiting = asyncio.ensure_future(failure(first))
        await watched.started.wait()
        refused = await failure(stub.unary(ONE, metadata=bearer(), timeout=20))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert type(from_rpc_error(refused)) is Overloaded


async def test_order_and_content_of_long_streams(serving: Serving) -> None:
    async with serving(Echo()) as stub:
        chunks = [UploadRequest(write_offset=n, data=bytes(n)) for n in range(300)]
        got = await everything(stub.bidi(iter(chunks), metadata=bearer()))
    assert [response.persisted_size for response in got] == list(range(300))


async def test_a_servicer_may_read_and_write_through_the_context(serving: Serving) -> None:
    async def handler(requests: Any, context: Any) -> None:
        while (message := await context.read()) is not aio.EOF:
            await context.write(UploadResponse(persisted_size=len(message.data)))

    async with serving(Echo(bidi=handler)) as stub:
        got = await everything(stub.bidi(iter([UploadRequest(data=b"abc")]), metadata=bearer()))
    assert [response.persisted_size for response in got] == [3]


@pytest.mark.parametrize("refused", ["too long", "too long once unpacked"])
async def test_what_grpc_refuses_for_its_size_leaves_no_trace_of_the_stack(
    refused: str, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """The servicer sees a stream without messages and refuses it, but the call already has a status."""

    async def wants_one(requests: Any, context: Any) -> UploadResponse:
        async for _ in requests:
            return UploadResponse()
        raise UploadIncomplete("the stream ended before its first message")

    one = UploadRequest(data=bytes(5 << 20))
    packing = grpc.Compression.Gzip if refused != "too long" else None
    async with serving(Echo(client_stream=wants_one)) as stub:
        for _ in range(5):
            error = await refusal(stub.client_stream, one, metadata=bearer(), compression=packing)
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(aio.AioRpcError):  # the server has handled all others when it answers this one
            await stub.client_stream(nothing(), metadata=bearer())
    assert "raised in core" not in caplog.text


async def nothing() -> AsyncIterator[UploadRequest]:
    messages: list[UploadRequest] = []
    for message in messages:
        yield message
