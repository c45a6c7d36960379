"""Writes to a client stream without losing the server's answer.

When a server ends a call early (a refusal, or an answer that needs no more bytes), a write in progress fails.
In grpcio up to 1.85 at least, ``StreamUnaryCall.write`` then replaces the status that the server has sent by
INTERNAL "Internal error from Core": about one refusal in three is lost that way
(https://github.com/grpc/grpc/issues/36066; the fix, pull request 43486, is not released). ``send`` writes the
same bytes and leaves the status alone.

Usable by every process that streams to storage_service.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc

from strongroom.wire import UploadChunk

#: A serialized message, or a chunk that can be sent without serializing it.
Message: TypeAlias = bytes | UploadChunk

#: How long a call whose write has failed may take to report its status. It may never do so:
#: https://github.com/grpc/grpc/pull/34148.
STATUS_SECONDS = 10.0


async def send(call: grpc.aio.StreamUnaryCall[Any, Any], message: Message) -> bool:
    """Write one message, serialized or a chunk. Returns False if the call is over; await the call for its
    answer or its error.

    Waits while the server does not accept more (flow control). A call within one process has no gRPC core,
    and its own ``write`` keeps the status.
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
    """Tell the server that no more messages follow. Does nothing if the call is over."""
    try:
        await call.done_writing()
    except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
        return


def _core(call: Any) -> Any:
    """The call of gRPC's core below an aio call. It is a private attribute, hence read in this one place;
    tests would notice a change.
    """
    return getattr(call, "_cython_call", None)
