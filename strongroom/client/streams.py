"""Client streams: the messages of one call written side by side with waiting for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from strongroom import errors
from strongroom.client.connection import Metadata, typed
from strongroom.sending import STATUS_SECONDS, half_close, send

Response = TypeVar("Response")

if TYPE_CHECKING:
    Call = grpc.aio.StreamUnaryCall[Any, Response]


class _Sent(Enum):
    ALL = auto()
    CUT_SHORT = auto()


class SourceFailed(Exception):
    """Carries what the messages (a source, a progress callback) raised past the retries, to be raised as it
    is.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def exchange(call: Call[Response], metadata: Metadata, messages: AsyncGenerator[bytes]) -> Response:
    """Write serialized ``messages`` and answer the reply; a refusal is seen while the source is still slow.

    A generator is resumed once its message was taken; it is closed at the end, and never begun when no
    connection came about.

    :raises StrongroomError: typed by the reason. :raises SourceFailed: when ``messages`` raised.
    """
    sender = asyncio.create_task(_send(call, messages))
    reply = asyncio.create_task(_reply(call))
    try:
        await asyncio.wait({sender, reply}, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done() and await sender is _Sent.CUT_SHORT:
            await asyncio.wait({reply}, timeout=STATUS_SECONDS)
            _check_answered(reply)
        return await reply
    except grpc.aio.AioRpcError as error:
        raise typed(error, metadata) from error
    finally:
        call.cancel()
        await _stop(sender, reply)


async def _send(call: Call[Response], messages: AsyncGenerator[bytes]) -> _Sent:
    """Write every message; stops when the call has ended, whose reply then says why.

    :raises SourceFailed: when reading or reporting progress raised.
    """
    if not await _connected(call):
        return _Sent.CUT_SHORT  # nothing was read: even a source of one reading may be tried again
    try:
        async with aclosing(messages):
            async for message in messages:
                if not await send(call, message):
                    return _Sent.CUT_SHORT
    except Exception as error:
        raise SourceFailed(error) from error
    await half_close(call)
    return _Sent.ALL


async def _reply(call: Call[Response]) -> Response:
    return await call


async def _connected(call: Call[Response]) -> bool:
    """Whether the call reached a server; False: it is over."""
    try:
        await call.wait_for_connection()
    except grpc.aio.AioRpcError:
        return False
    return not call.done()


def _check_answered(reply: asyncio.Task[Any]) -> None:
    if not reply.done():
        raise errors.ServiceUnavailable("the connection broke while bytes were sent, and nothing said why")


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel and await: nothing of an attempt outlives it, a source's own clean-up included."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
