"""Sends a request's body as a gRPC client stream in messages of 1 MiB; all uploads use it.

Messages come from a generator that reads the body. If it raises (the client left, the body is broken), the
call is cancelled and nothing of it counts. The call is also cancelled as soon as the client disconnects, and
the client is answered as soon as the service answers, even in the middle of the body.

``strongroom.sending`` writes the messages: gRPC's own ``write`` may lose the service's answer to a body that
is still being sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, nullcontext
from typing import Any, Final, TypeVar

from grpc import aio

from gateway.http.exchange import Body, Exchange
from gateway.upstream.backend import Backend
from gateway.upstream.call import Call
from gateway.upstream.turns import Passage
from strongroom.errors import ServiceUnavailable
from strongroom.sending import STATUS_SECONDS, Message, half_close, send
from strongroom.wire import Buffer

#: Bytes of data per message: 1 MiB is best on both sides.
CHUNK_BYTES: Final = 1024 * 1024
#: Seconds after which buffered bytes are sent even if they fill no message, so that slow uploads begin early,
#: too.
FLUSH_SECONDS: Final = 0.05

Response = TypeVar("Response")


class Batch:
    """Bytes that wait to be sent, in the pieces in which they came."""

    def __init__(self) -> None:
        self.pieces: list[Buffer] = []
        self.size = 0

    def add(self, pieces: Sequence[Buffer]) -> None:
        """Append ``pieces``."""
        for piece in pieces:
            self.pieces.append(piece)
            self.size += len(piece)

    def cut(self, size: int = CHUNK_BYTES) -> list[Buffer]:
        """Remove and return the first ``size`` bytes (or all there are), without copying them."""
        taken: list[Buffer] = []
        missing = min(size, self.size)
        self.size -= missing
        for index, piece in enumerate(self.pieces):
            if missing < len(piece):
                if missing:
                    view = memoryview(piece)
                    taken.append(view[:missing])
                    self.pieces[index] = view[missing:]
                del self.pieces[:index]
                return taken
            taken.append(piece)
            missing -= len(piece)
        self.pieces.clear()
        return taken


class Intake:
    """Collects a body for messages. ``keep``: returns the parts of a piece to send; None: all of it."""

    def __init__(self, exchange: Call, keep: Callable[[bytes], Sequence[Buffer]] | None = None) -> None:
        self._client = exchange.client
        self._passage = Passage(exchange.services.turns, exchange.client)
        self._body = Body(exchange)
        self._keep = keep
        self.batch = Batch()

    @property
    def more(self) -> bool:
        """Whether the body goes on."""
        return self._body.more

    async def fill(self, *, patient: bool = True) -> None:
        """Collect the bytes of a message, or those that arrive until the client pauses.

        ``patient``: if there are none yet, a pause does not count.

        :raises ClientGone: the client disconnected; earlier bytes stay in ``batch``.
        """
        await self._passage.turn()
        while self.more and self.batch.size < CHUNK_BYTES:
            if self._client.waiting or (patient and not self.batch.size):
                await self._take()
                continue
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._take()
            except TimeoutError:
                return

    async def _take(self) -> None:
        if piece := await self._body.take():
            self._passage.moved += len(piece)
            self.batch.add([piece] if self._keep is None else self._keep(piece))


async def pump(
    exchange: Exchange,
    backend: Backend,
    rpc: aio.StreamUnaryCall[Any, Response],
    messages: AsyncGenerator[Message],
    *,
    broken_off: str,
    lingers: bool = False,
) -> Response:
    """Write ``messages`` to ``rpc`` and return its reply; the call has then ended.

    ``broken_off``: message of the error if the call accepts no more and does not say why. ``lingers``:
    continue after the client has left; ``messages`` then decides when to end.

    :raises StrongroomError: the service's error, or the one that ``messages`` raised.
    :raises ClientGone: the client disconnected.
    """
    sender = asyncio.ensure_future(_send(rpc, messages))
    sender.add_done_callback(lambda task: _settle(task, rpc))
    try:
        with nullcontext() if lingers else exchange.client.cancels(rpc):
            return await rpc
    except aio.AioRpcError as error:
        raise backend.error(error) from None
    except asyncio.CancelledError:
        if not sender.done() or sender.cancelled():
            raise
        if (reason := sender.exception()) is not None:
            raise reason from None
        if sender.result():
            raise
        raise ServiceUnavailable(broken_off) from None
    finally:
        rpc.cancel()  # has no effect if it is over
        sender.cancel()
        await asyncio.wait({sender})


async def _send(rpc: aio.StreamUnaryCall[Any, Any], messages: AsyncGenerator[Message]) -> bool:
    """Write all messages. Returns False if the call accepts no more."""
    async with aclosing(messages):
        async for message in messages:
            taken = await send(rpc, message)
            del message  # don't keep it while the client sends the next one
            if not taken:
                return False
    await half_close(rpc)
    return True


def _settle(sender: asyncio.Task[bool], rpc: aio.StreamUnaryCall[Any, Any]) -> None:
    """Cancel the call if its sender failed. If the call accepted no more, its status is on its way; cancel it
    if none comes in time.
    """
    if sender.cancelled() or sender.exception() is not None:
        rpc.cancel()
    elif not sender.result():
        asyncio.get_running_loop().call_later(STATUS_SECONDS, rpc.cancel)
