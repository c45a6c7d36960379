"""Writing to a client stream without losing what the server answers.

When a server ends a call early (a refusal, or an answer that needs no more bytes), a write that is under way
fails. In grpcio up to 1.85 at least, ``StreamUnaryCall.write`` then replaces the status that the server has
sent by INTERNAL "Internal error from Core": about one refusal in three is lost that way
(https://github.com/grpc/grpc/issues/36066; the mending, pull request 43486, is not released). ``send`` writes
the same bytes and leaves the status alone.

Usable by every process that streams to storage_service.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc

from strongroom.wire import UploadChunk

#: A serialized message, or a chunk that may be handed over without.
Message: TypeAlias = bytes | UploadChunk

#: How long a call whose write has failed may take to say why (https://github.com/grpc/grpc/pull/34148: it may
#: never).
STATUS_SECONDS = 10.0


async def send(call: grpc.aio.StreamUnaryCall[Any, Any], message: Message) -> bool:
    """Write one message, serialized or a chunk. False: the call is over; await it, its answer or its error
    says why.

    Waits while the server does not take more (flow control). A call within one process has nothing of gRPC
    below it, and its own ``write`` keeps the status.
    """
    try:
        await call.wait_for_connection()
        if call.done():
            return False
        core = _core(call)
        if core is None:
            await call.write(message)
        else:
            await core.send_serialized_message(message if isinstance(message, bytes) else message.encode())
    except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
        return False
    return not call.done()


async def half_close(call: grpc.aio.StreamUnaryCall[Any, Any]) -> None:
    """Say that there are no more messages. A call that is over is left as it is."""
    try:
        await call.done_writing()
    except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
        return


def _core(call: Any) -> Any:
    """The call of gRPC's core below an aio call. Private, hence looked up in this one place; tests would
    notice.
    """
    return getattr(call, "_cython_call", None)
