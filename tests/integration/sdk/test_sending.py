"""A server's answer while the client is still writing is never lost (grpc/grpc#36066)."""

from __future__ import annotations

import asyncio

import pytest

from strongroom import errors
from strongroom.client import AsyncClient
from strongroom.sending import half_close, send
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import Fault, State

TRIES = 60
DATA = bytes(6 * 1024 * 1024)


async def test_a_refusal_in_the_middle_is_always_told_as_what_it_is(
    client: AsyncClient, state: State
) -> None:
    told = []
    for number in range(TRIES):
        state.upload_faults = [Fault(errors.QuotaExceeded("full"), after_bytes=1 + number % 3 * 1024 * 1024)]
        with pytest.raises(errors.StrongroomError) as caught:
            await client.upload(DATA)
        told.append(type(caught.value))
    assert set(told) == {errors.QuotaExceeded}


async def test_an_early_answer_is_always_heard(client: AsyncClient, state: State) -> None:
    first = await client.upload(DATA, request_id="once")
    again = [await client.upload(DATA, request_id="once") for _ in range(TRIES)]
    assert {file.id for file in again} == {first.id}
    assert state.calls.count("Upload") == TRIES + 1


async def test_writing_to_a_call_that_is_over_is_no_error(client: AsyncClient, fakes: Fakes) -> None:
    call = client._connection.upload(timeout=60)
    assert await send(call, UploadRequest(data=b"no token").SerializeToString())
    with pytest.raises(errors.TokenMissing):
        await translated(call)
    assert not await send(call, b"")
    await half_close(call)


async def translated(call: object) -> None:
    """Await a call, and raise its typed error."""
    import grpc

    try:
        await call  # type: ignore[misc]
    except grpc.aio.AioRpcError as error:
        raise errors.from_rpc_error(error) from error


async def test_a_call_that_never_began_is_over() -> None:
    async with AsyncClient("127.0.0.1:1", "127.0.0.1:1") as client:
        call = client._connection.upload(timeout=60)
        assert not await send(call, b"")
        await half_close(call)
        await asyncio.wait_for(call.code(), 60)
