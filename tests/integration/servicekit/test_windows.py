"""How much of a byte stream is buffered for a reader that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from servicekit.options import BYTE_STREAM_OPTIONS, NO_PROBE
from servicekit.serving.server import serve_in_process
from strongroom.sending import send
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse
from tests.integration.servicekit.echo import Echo, EchoStub, bearer, settings

#: The size of the longest messages: 1 MiB of data, and other fields.
MESSAGE = UploadRequest(write_offset=1 << 40, data=bytes(1024 * 1024)).SerializeToString()


async def test_a_service_takes_no_whole_message_that_it_is_not_reading() -> None:
    """Otherwise each stream of a stranger would occupy a mebibyte before anything checks it."""
    may_read = asyncio.Event()

    async def waits(requests: Any, context: Any) -> UploadResponse:
        await may_read.wait()
        return UploadResponse(persisted_size=sum([len(message.data) async for message in requests]))

    spec = Echo(client_stream=waits).spec(options=(NO_PROBE,))
    async with serve_in_process(spec, settings()) as address, aio.insecure_channel(address) as channel:
        call = EchoStub(channel).client_stream(metadata=bearer())
        first = asyncio.create_task(send(call, MESSAGE))
        assert not (await asyncio.wait({first}, timeout=0.2))[0]
        may_read.set()
        async with asyncio.timeout(60):
            assert await first
        await call.done_writing()
        assert (await call).persisted_size == 1024 * 1024


async def test_a_message_is_taken_whole_by_a_client_that_is_not_reading_yet() -> None:
    sent: list[int] = []
    one_sent = asyncio.Event()

    async def answers(request: GetUploadRequest, context: Any) -> AsyncIterator[UploadResponse]:
        for number in range(3):
            yield UploadResponse(url="x" * 1024 * 1024)
            sent.append(number)
            one_sent.set()

    async with (
        serve_in_process(Echo(server_stream=answers).spec(), settings()) as address,
        aio.insecure_channel(address, options=BYTE_STREAM_OPTIONS) as channel,
    ):
        call = EchoStub(channel).server_stream(GetUploadRequest(upload_id="u"), metadata=bearer())
        async with asyncio.timeout(60):
            await one_sent.wait()
        await asyncio.sleep(0.1)
        assert len(sent) < 3
        assert len([response async for response in call]) == 3
