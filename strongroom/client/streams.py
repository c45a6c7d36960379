"""Client streams: write the messages of a call while waiting for its reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from strongroom import errors
from strongroom.client.connection import Metadata, typed
from strongroom.sending import STATUS_SECONDS, half_close, send

Response = TypeVar("Response")

if TYPE_CHECKING:
    Call = grpc.aio.StreamUnaryCall[Any, Response]


class SourceFailed(Exception):
    """Carries an exception of the messages (a source, a progress callback) past the retries, to be raised
    unchanged.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def exchange(call: Call[Response], metadata: Metadata, messages: AsyncGenerator[bytes]) -> Response:
    """Write serialized ``messages`` and return the reply. A refusal is noticed even while the source is slow.

    A generator is resumed after its message was written. It is closed at the end, and not begun without a
    connection.

    :raises StrongroomError: typed by the reason. :raises SourceFailed: ``messages`` raised.
    """
    sender = asyncio.create_task(_send(call, messages))
    reply = asyncio.create_task(_reply(call))
    try:
        await asyncio.wait({sender, reply}, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done() and not await sender:
            await asyncio.wait({reply}, timeout=STATUS_SECONDS)
            _check_answered(reply)
        return await reply
    except grpc.aio.AioRpcError as error:
        raise typed(error, metadata) from error
    finally:
        call.cancel()
        await _stop(sender, reply)


async def _send(call: Call[Response], messages: AsyncGenerator[bytes]) -> bool:
    """Write every message. False: the call has ended before, and its reply says why.

    :raises SourceFailed: reading or reporting progress raised.
    """
    if not await _connected(call):
        return False  # nothing was read, so even a source that can be read once may be retried
    try:
        async with aclosing(messages):
            async for message in messages:
                if not await send(call, message):
                    return False
    except Exception as error:
        raise SourceFailed(error) from error
    await half_close(call)
    return True


async def _reply(call: Call[Response]) -> Response:
    return await call


async def _connected(call: Call[Response]) -> bool:
    """Whether the call reached a server; False if it has ended."""
    try:
        await call.wait_for_connection()
    except grpc.aio.AioRpcError:
        return False
    return not call.done()


def _check_answered(reply: asyncio.Task[Any]) -> None:
    if not reply.done():
        raise errors.ServiceUnavailable("the connection broke while bytes were sent, without a status")


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel and await the tasks, so that nothing of an attempt outlives it, including a source's
    clean-up.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
