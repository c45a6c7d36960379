"""Passes a request's body to ``Upload`` of a session: everything that arrives is kept, however the request
ends.

Unlike a form's (``gateway.upstream.uploads``), an interrupted body is not given up: the gRPC stream is
half-closed without ``finish_write``, so that storage_service persists what it was sent, and its answer is
awaited although the client is gone. To cancel would drop the messages that it has not read yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final

from gateway.http.problems import ClientGone
from gateway.upstream.call import Call
from gateway.upstream.pump import CHUNK_BYTES, Intake, pump
from strongroom.errors import IdempotencyKeyReused
from strongroom.sending import Message
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import UploadChunk

#: The most bytes in the message that opens the session.
OPENING_BYTES: Final = 64 * 1024
#: How long storage_service may take to persist the bytes of a client that has left. Seconds.
LINGER_SECONDS: Final = 120.0


async def send_body(call: Call, first: UploadRequest) -> UploadResponse:
    """Send the request's body to the session that ``first`` (without data) opens, from its ``write_offset``
    on.

    :raises StrongroomError: storage_service's error; bytes before a refused one are kept.
    :raises IdempotencyKeyReused: the offset was not exact, and the upload has more bytes than were sent. They
        can't be told from others, and the rest would follow bytes that this client has never sent.
    :raises ClientGone: the client left; every byte that arrived is with storage_service.
    """
    return await _Transfer(call, first).run()


class _Transfer:
    """The transfer of one body."""

    def __init__(self, call: Call, first: UploadRequest) -> None:
        self._call = call
        self._first = first
        self._intake = Intake(call)
        self._left = False
        self._sent = 0

    async def run(self) -> UploadResponse:
        """Stream until storage_service answers."""
        self._call.client.lingers = True
        storage = self._call.services.storage
        rpc = storage.upload(self._call)
        response = await pump(
            self._call,
            storage,
            rpc,
            self._messages(rpc.cancel),
            broken_off=f"{storage.name} ended the upload early; ask for its offset and continue there.",
            lingers=True,
        )
        if self._left:
            raise ClientGone
        there = response.file.size_bytes if response.HasField("file") else response.persisted_size
        if not self._first.exact_offset and 0 < self._sent < there:
            raise IdempotencyKeyReused(
                f"The upload of this Idempotency-Key has {there} bytes already, and these are {self._sent}."
                " Repeat the request without a body to get its address."
            )
        return response

    async def _messages(self, give_up: Callable[[], object]) -> AsyncGenerator[Message]:
        """The opening message with the bytes at hand, then the rest. The opening is never delayed, so that an
        older writer is superseded, and a wrong offset refused, at once.

        Larger amounts follow the opening as chunks: inside it protobuf would copy them four times.
        """
        batch = self._intake.batch
        await self._fill(patient=False)
        offset = self._first.write_offset
        if batch.size > OPENING_BYTES:
            yield self._first.SerializeToString()
        else:
            offset += batch.size
            yield self._opening()
            await self._fill()
        while batch.size:
            size = min(CHUNK_BYTES, batch.size)
            yield UploadChunk(offset, batch.cut())
            offset += size
            await self._fill()
        self._sent = offset - self._first.write_offset
        if self._left:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, give_up)

    async def _fill(self, *, patient: bool = True) -> None:
        try:
            await self._intake.fill(patient=patient)
        except ClientGone:
            self._left = True

    def _opening(self) -> bytes:
        self._first.data = b"".join(self._intake.batch.cut())
        raw = self._first.SerializeToString()
        self._first.ClearField("data")
        return raw
