"""From the body of a request to ``Upload`` of a session: whatever arrives is kept, however the request ends.

Unlike a form (``gateway.upstream.uploads``), a body that breaks off is not given up: the gRPC stream is
half-closed without ``finish_write``, so that storage_service persists what it has been sent, and its answer
is waited for although nobody is left to be told. Cancelling would drop the messages that it has not read yet.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.http.problems import ClientGone
from gateway.upstream.call import Call
from gateway.upstream.upload_call import CallOver, UploadCall
from strongroom.errors import ServiceUnavailable
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import Buffer, UploadChunk

#: Bytes of data per message (grpc.md: 1 MiB is best on both sides).
CHUNK_BYTES: Final = 1024 * 1024
#: Bytes that have waited so long for more go out as they are. Seconds.
FLUSH_SECONDS: Final = 0.05
#: How long storage_service may take to persist what a client that has left had sent. Seconds.
LINGER_SECONDS: Final = 120.0


async def send_body(call: Call, first: UploadRequest) -> UploadResponse:
    """Send the request's body to the session that ``first`` (without data) opens, from its
    ``write_offset`` on.

    :raises StrongroomError: what storage_service answered; bytes before a refused one are kept. :raises
    ClientGone: the
        client left; every byte that came is with storage_service.
    """
    return await _Transfer(call, first).run()


class _Transfer:
    """One body on its way."""

    def __init__(self, call: Call, first: UploadRequest) -> None:
        self._call = call
        self._first: UploadRequest | None = first
        self._offset = first.write_offset
        self._pieces: list[Buffer] = []
        self._size = 0
        self._more = True
        self._left = False

    async def run(self) -> UploadResponse:
        """Stream until storage_service answers."""
        self._call.client.lingers = True
        storage = self._call.services.storage
        rpc = storage.upload(self._call)
        pump = asyncio.ensure_future(self._pump(rpc))
        pump.add_done_callback(lambda task: _settle(task, rpc))
        try:
            response = await rpc.response()
        except asyncio.CancelledError:
            reason = pump.exception() if pump.done() and not pump.cancelled() else None
            if isinstance(reason, CallOver):
                raise ServiceUnavailable(
                    f"{storage.name} broke off; ask where the upload stands and go on."
                ) from None
            if reason is not None:
                raise reason from None
            raise
        finally:
            pump.cancel()
        if self._left:
            raise ClientGone
        return response

    async def _pump(self, rpc: UploadCall) -> None:
        while self._more:
            await self._gather()
            await self._send(rpc)
        await rpc.done_writing()
        if self._left:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, rpc.cancel)

    async def _gather(self) -> None:
        """Take what comes until it makes a message, or pauses. Before the first message a pause ends it
        with nothing: then
        the opening goes out alone, so that an older writer is superseded, and a wrong offset refused, at
        once.
        """
        while self._more and self._size < CHUNK_BYTES:
            if self._call.client.waiting or (self._first is None and not self._size):
                await self._take()
                continue
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._take()
            except TimeoutError:
                return

    async def _take(self) -> None:
        message = await self._call.receive()
        if message["type"] == "http.disconnect":
            self._left, self._more = True, False
            return
        self._more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)

    async def _send(self, rpc: UploadCall) -> None:
        """Send all that was gathered; waits while storage_service takes no more."""
        first, self._first = self._first, None
        for part in self._cut():
            if first is not None:
                first.data = b"".join(part)
                await rpc.write(first)
                first = None
            else:
                await rpc.write(UploadChunk(self._offset, part))
            size = sum(map(len, part))
            self._offset += size
        if first is not None:
            await rpc.write(first)

    def _cut(self) -> list[list[Buffer]]:
        """What was gathered, in messages of CHUNK_BYTES at the most, without copying."""
        messages: list[list[Buffer]] = []
        room = 0
        for piece in self._pieces:
            view, start = memoryview(piece), 0
            while start < len(view):
                if not room:
                    messages.append([])
                    room = CHUNK_BYTES
                taken = view[start : start + room]
                messages[-1].append(taken)
                start, room = start + len(taken), room - len(taken)
        self._pieces, self._size = [], 0
        return messages


def _settle(pump: asyncio.Task[None], rpc: UploadCall) -> None:
    """A pump that failed takes the call with it; its exception is kept for ``run``."""
    if pump.cancelled() or not isinstance(pump.exception(), CallOver | None):
        rpc.cancel()
