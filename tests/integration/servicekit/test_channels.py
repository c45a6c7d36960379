"""Calls to other services pass on the caller, the request id and the deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from servicekit import context
from servicekit.auth.credentials import InternalCredential
from servicekit.auth.principal import Principal
from servicekit.serving import channels
from servicekit.serving.channels import call, make_channel
from servicekit.serving.server import serve_in_process
from strongroom.errors import DeadlineExceeded, FileNotFound, ServiceUnavailable
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadResponse
from tests.integration.servicekit.echo import (
    INTERNAL_SECRET,
    INTERNAL_SERVICE,
    Echo,
    EchoStub,
    bearer,
    settings,
    token,
)

ONE = GetUploadRequest(upload_id="abc")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(**changes: Any) -> context.RequestContext:
    given: dict[str, Any] = {"request_id": "req-1", "principal": Principal("alice", token=token())}
    return context.RequestContext(**{**given, **changes})


class Seen(Echo):
    """Records what the inner service received."""

    def __init__(self) -> None:
        self.request: context.RequestContext | None = None
        self.left: float | None = None
        super().__init__(unary=self._unary)

    async def _unary(self, request: Any, _: Any) -> UploadResponse:
        self.request = context.current()
        self.left = context.remaining()
        return UploadResponse(persisted_size=1)


async def test_two_hops_keep_caller_request_id_trace_and_deadline() -> None:
    inner = Seen()
    async with (
        serve_in_process(inner.spec(), settings()) as behind,
        make_channel(behind, settings()) as channel,
    ):

        async def unary(request: Any, _: Any) -> UploadResponse:
            response: UploadResponse = await call(EchoStub(channel).unary, request)
            return response

        async with (
            serve_in_process(Echo(unary=unary).spec(), settings()) as front,
            make_channel(front, settings()) as outer,
        ):
            sent = bearer()
            metadata = (*sent, ("traceparent", TRACE))
            await EchoStub(outer).unary(ONE, metadata=metadata, timeout=60)
    assert inner.request is not None
    assert inner.request.principal == Principal("alice", token=sent[0][1].removeprefix("Bearer "))
    assert (inner.request.request_id, inner.request.traceparent) == ("req-1", TRACE)
    assert inner.left is not None
    assert inner.left < 10 - channels.MARGIN_SECONDS


async def test_without_a_deadline_of_the_caller_there_is_one_anyway() -> None:
    inner = Seen()
    async with (
        serve_in_process(inner.spec(), settings()) as address,
        make_channel(address, settings()) as channel,
    ):
        with context.bind(request()):
            await call(EchoStub(channel).unary, ONE)
    assert inner.left is not None
    # grpc-timeout has few digits and is rounded up.
    assert 0 < inner.left <= channels.DEFAULT_SECONDS * 1.02


async def test_a_spent_deadline_makes_no_call() -> None:
    async with make_channel("127.0.0.1:1", settings()) as channel:
        loop = asyncio.get_running_loop()
        with context.bind(request(deadline=loop.time() + 0.2)), pytest.raises(DeadlineExceeded):
            await call(EchoStub(channel).unary, ONE)


async def test_the_internal_credential_goes_without_the_user() -> None:
    inner = Seen()
    credential = InternalCredential(INTERNAL_SECRET)
    async with (
        serve_in_process(inner.spec(), settings()) as address,
        make_channel(address, settings()) as channel,
    ):
        stub = EchoStub(channel, INTERNAL_SERVICE)
        with context.bind(request()):
            await call(stub.unary, ONE, internal=credential, as_caller=False)
    assert inner.request is not None
    assert inner.request.principal == Principal("", internal="storage_service")


async def test_errors_arrive_as_their_class() -> None:
    async def missing(request: Any, _: Any) -> UploadResponse:
        raise FileNotFound("There is no such file.")

    async with (
        serve_in_process(Echo(unary=missing).spec(), settings()) as address,
        make_channel(address, settings()) as channel,
    ):
        with context.bind(request()), pytest.raises(FileNotFound, match="There is no such file"):
            await call(EchoStub(channel).unary, ONE)


async def test_nobody_there() -> None:
    async with make_channel("127.0.0.1:1", settings()) as channel:
        with context.bind(request()), pytest.raises(ServiceUnavailable) as caught:
            await call(EchoStub(channel).unary, ONE, timeout=60)
    assert "127.0.0.1" not in caught.value.message
    assert "127.0.0.1" in caught.value.transport_details


async def test_a_restarted_service_is_found_again() -> None:
    echo = Seen()
    async with serve_in_process(echo.spec(), settings()) as address:
        port = address
    async with make_channel(port, settings()) as channel:
        stub = EchoStub(channel)
        with context.bind(request()):
            with pytest.raises(ServiceUnavailable):
                await call(stub.unary, ONE, timeout=60)
            async with serve_in_process(echo.spec(bind=port), settings()):
                reply = await call(stub.unary, ONE, timeout=60, wait_for_ready=True)
    assert reply.persisted_size == 1
