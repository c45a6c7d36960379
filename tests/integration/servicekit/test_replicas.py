"""Several replicas behind one channel: one that freezes or leaves delays its callers only briefly."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest
from grpc import StatusCode, aio

from servicekit.serving.channels import make_channel
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest
from tests.integration.servicekit.echo import EchoStub, bearer, settings
from tests.integration.servicekit.processes import ServerProcess

ONE = GetUploadRequest(upload_id="abc")
#: Shorter than in servicekit.options: gRPC sends at most one ping a second.
QUICK = [
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.ping_timeout_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 1000),
]
PATIENCE = 60.0


async def first_try(stub: EchoStub, kind: str) -> str:
    """The status of one call without retries."""
    try:
        if kind == "unary":
            await stub.unary(ONE, metadata=bearer(), timeout=PATIENCE)
        else:
            await stub.client_stream(iter([UploadRequest()]), metadata=bearer(), timeout=PATIENCE)
    except aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def both_answer(stub: EchoStub) -> None:
    """Wait until calls have reached all replicas."""
    for _ in range(20):
        assert await first_try(stub, "unary") == "OK"


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Two processes for all tests of the module; the last test ends one."""
    folder = tmp_path_factory.mktemp("replicas")
    with ServerProcess(folder / "a") as one, ServerProcess(folder / "b") as other:
        yield one, other


async def test_a_frozen_replica_is_left_out(replicas: tuple[ServerProcess, ServerProcess]) -> None:
    one, other = replicas
    async with make_channel(f"ipv4:{one.address},{other.address}", settings(), QUICK) as channel:
        stub = EchoStub(channel)
        await both_answer(stub)
        one.signal(signal.SIGSTOP)
        began = time.monotonic()
        caught = await asyncio.gather(*(first_try(stub, kind) for kind in ("unary", "stream") * 5))
        assert set(caught) <= {"OK", StatusCode.UNAVAILABLE.name}
        assert time.monotonic() - began < PATIENCE / 2
        async with asyncio.timeout(PATIENCE):  # a busy machine delays pings of the other one, too
            while [await first_try(stub, "stream") for _ in range(100)] != ["OK"] * 100:
                pass
        one.signal(signal.SIGCONT)


async def test_the_only_replica_frozen_is_an_error_not_a_wait(
    replicas: tuple[ServerProcess, ServerProcess],
) -> None:
    one, _ = replicas
    async with make_channel(one.address, settings(), QUICK) as channel:
        stub = EchoStub(channel)
        async with asyncio.timeout(PATIENCE):
            while await first_try(stub, "stream") != "OK":
                pass
        one.signal(signal.SIGSTOP)
        for _ in range(3):
            began = time.monotonic()
            assert await first_try(stub, "stream") == StatusCode.UNAVAILABLE.name
            assert time.monotonic() - began < PATIENCE / 2
        one.signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE):
            while await first_try(stub, "unary") != "OK":
                pass


async def test_a_replica_that_leaves_gets_no_new_calls(
    replicas: tuple[ServerProcess, ServerProcess],
) -> None:
    one, other = replicas
    async with make_channel(f"ipv4:{one.address},{other.address}", settings()) as channel:
        stub = EchoStub(channel)
        await both_answer(stub)
        one.signal(signal.SIGTERM)
        caught = [await first_try(stub, "stream") for _ in range(200)]
    # One call may arrive while it closes: gRPC cancels it, and a caller retries it.
    assert caught.count("OK") >= 199
    assert set(caught) <= {"OK", StatusCode.CANCELLED.name, StatusCode.UNAVAILABLE.name}
    assert one.ended() == 0
