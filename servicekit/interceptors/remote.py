"""Time limits for callers in other processes: their message may never come, their answer never be read.

Until such a call ends, it counts among those of the process (``STRONGROOM_MAX_CONCURRENT_RPCS``).
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import grpc
from grpc import aio

from servicekit.context import RequestContext, current
from servicekit.method import ServicerContext
from strongroom.errors import DeadlineExceeded, MalformedRequest


async def as_given(request: Any, _: ServicerContext) -> Any:
    """The request as gRPC passes it: a message, or an iterator of messages."""
    return request


async def message_of(context: ServicerContext) -> bytes:
    """Read the message of a unary request.

    :raises MalformedRequest: the call has ended without it.
    """
    raw: Any = await context.read()
    if raw is aio.EOF:
        raise MalformedRequest("The call ended without its message.")
    return cast("bytes", raw)


def receiver(seconds: float) -> Callable[[Any, ServicerContext], Awaitable[bytes]]:
    """Reads the message of a unary request, which may take ``seconds`` to arrive."""

    async def receive(_: Any, context: ServicerContext) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await message_of(context)
        except TimeoutError:
            if (call := current()) is not None:
                call.kept_waiting = True
            raise DeadlineExceeded(
                f"The call's message did not arrive within {seconds:g} s; call again.",
                metadata={"limit_seconds": f"{seconds:g}"},
            ) from None

    return receive


def end_unread(seconds: float) -> None:
    """Reset the call in progress if its reader has not taken the answer in ``seconds``."""
    task = asyncio.current_task()
    if task is not None:
        timer = asyncio.get_running_loop().call_later(seconds, reset, task)
        task.add_done_callback(lambda _: timer.cancel())


def is_callers(request: RequestContext, code: grpc.StatusCode) -> bool:
    """Whether a call has failed by what its caller did: sent or read nothing, or set a deadline."""
    if request.kept_waiting or (request.writing is not None and request.writing.stuck):
        return True
    return code is grpc.StatusCode.DEADLINE_EXCEEDED and request.deadline is not None and not is_ours(request)


def is_ours(request: RequestContext) -> bool:
    """Whether a Strongroom process makes the call, or the gateway vouches for it."""
    return request.by_gateway or (request.principal is not None and request.principal.internal is not None)


def reset_current() -> None:
    """Reset the call in progress, if it came from another process."""
    task = asyncio.current_task()
    if task is not None:
        reset(task)


def reset(task: asyncio.Task[Any]) -> None:
    """Reset the call that ``task`` serves, so that gRPC forgets it. The end of a handler is not enough: until
    the peer has read the rest or closed the connection, grpc.aio keeps the call, its unsent messages (3 MiB
    for 1 MiB) and its place among the calls of the process.

    grpc.aio has no function for this. The call belongs to its task ``rpc_task``, which waits for the peer.
    """
    for owner in asyncio.all_tasks():
        if owner.get_name() == OWNER and _owns(owner, task):
            owner.cancel()
            task.cancel()
            return


#: Name of grpc.aio's tasks that own a call.
OWNER: Final = "rpc_task"


def _owns(owner: asyncio.Task[Any], task: asyncio.Task[Any]) -> bool:
    """Whether ``owner`` has started ``task``: its coroutine refers to its variables, these to the task."""
    return any(task in gc.get_referents(variables) for variables in gc.get_referents(owner.get_coro()))
