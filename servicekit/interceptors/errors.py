"""Innermost stage: the only place where a handler's exceptions become StrongroomErrors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import grpc
import structlog
from grpc import aio
from grpc_status import rpc_status  # type: ignore[import-untyped]  # published without types

from servicekit.context import REQUEST_ID, RequestContext
from servicekit.interceptors.remote import reset_current
from servicekit.method import ServicerContext
from strongroom.errors import (
    Internal,
    ServiceUnavailable,
    StrongroomError,
    Unimplemented,
    from_rpc_error,
    to_status_proto,
)

PUSHBACK: Final = "grpc-retry-pushback-ms"

log = structlog.get_logger(__name__)


def translate(error: Exception, context: ServicerContext, request: RequestContext) -> StrongroomError:
    """The error to report for ``error``.

    A StrongroomError stays, also as the cause of an exception group (a TaskGroup of parts). A failed call to
    another service becomes its typed error. A method that a servicer lacks is UNIMPLEMENTED. Everything else
    is a bug: the caller gets only the request id, the log gets the stack.
    """
    if isinstance(error, StrongroomError):
        return error
    if isinstance(error, grpc.RpcError):
        return from_rpc_error(error)
    if isinstance(error, NotImplementedError) and context.code() in _UNIMPLEMENTED:
        method = request.method
        return Unimplemented(f"{method.lstrip('/')} is not in this release.", metadata={"feature": method})
    if isinstance(error, ExceptionGroup):
        leaves = tuple(_leaves(error))
        known = [leaf for leaf in leaves if isinstance(leaf, StrongroomError)]
        if len(known) == len(leaves):
            return known[0]
    return _unexpected(error, request)


def _unexpected(error: BaseException, request: RequestContext) -> Internal:
    log.error("unexpected error", exc_info=error)
    return Internal(f"internal error; quote request id {request.request_id}")


def explain_cancellation(
    error: asyncio.CancelledError, request: RequestContext, *, cut: bool
) -> StrongroomError | None:
    """The error for the caller of an RPC that ends with CancelledError; None: the caller has left.

    In this case grpc.aio sends no status, so if it was not the caller who cancelled, the RPC would hang until
    its deadline: the process is leaving (``cut``), or the servicer let the cancellation of one of its own
    futures escape.
    """
    if cut:
        return ServiceUnavailable("The server is shutting down; connect again.")
    task = asyncio.current_task()
    return _unexpected(error, request) if task is not None and not task.cancelling() else None


_UNIMPLEMENTED = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED.value[0])


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


#: A status waits behind a message that the reader does not take; the call must end all the same.
ABORT_SECONDS: Final = 1.0


async def abort(context: ServicerContext, error: StrongroomError, request_id: str) -> None:
    """End the RPC with the status of ``error``. Raises grpc's AbortError, like ``context.abort``.

    Raises CancelledError, which grpc.aio ignores, if it has a status already.
    """
    status = rpc_status.to_status(to_status_proto(error))
    trailers = [*status.trailing_metadata, (REQUEST_ID, request_id)]
    if error.code is grpc.StatusCode.UNAVAILABLE and not isinstance(error, ServiceUnavailable):
        # What all replicas depend on is away, and this call has waited for it. Channels must not retry
        # automatically (gRFC A6), which would only multiply the wait.
        trailers.append((PUSHBACK, "-1"))
    try:
        await context.abort(status.code, status.details, trailing_metadata=tuple(trailers))
    except aio.InternalError as over:
        # gRPC itself has ended the call: it has refused a message, for its size for example.
        raise asyncio.CancelledError from over


async def abort_within(
    context: ServicerContext, error: StrongroomError, request: RequestContext, seconds: float
) -> None:
    """``abort`` for a reader that may take nothing: after ``seconds`` the call is reset. One that has stopped
    reading gets the status if it continues at once.

    Raises CancelledError, which grpc.aio ignores, if the call is reset, or if the caller has left.
    """
    stuck = request.writing is not None and request.writing.stuck
    try:
        async with asyncio.timeout(ABORT_SECONDS if stuck else seconds):
            await abort(context, error, request.request_id)
    except TimeoutError as waiting:
        reset_current()
        raise asyncio.CancelledError from waiting
    except asyncio.CancelledError:
        if stuck:  # gRPC refuses a status while even the first message waits
            reset_current()
        raise
