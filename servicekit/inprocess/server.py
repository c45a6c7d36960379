"""The service's side: its handlers, and the calls in progress."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import grpc
import structlog
from grpc import aio

from servicekit.inprocess.context import CallContext
from servicekit.inprocess.exchange import Exchange, Outcome, size_of
from servicekit.method import FACTORIES, behavior_of
from servicekit.options import MAX_METADATA_BYTES, MAX_RECEIVE_BYTES
from strongroom.wire import IN_PROCESS

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_STOPPED: Final = Outcome(grpc.StatusCode.UNAVAILABLE, "the service in this process is not serving")
_CUT: Final = Outcome(grpc.StatusCode.UNAVAILABLE, "Cancelling all calls")
_TOO_MANY: Final = Outcome(grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")
_UNKNOWN_METHOD: Final = Outcome(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
_NO_MESSAGE: Final = Outcome(grpc.StatusCode.INTERNAL, "the call ended without its request message")
_LET_GO: Final = Outcome(grpc.StatusCode.CANCELLED, "the call was given up by its service")

log = structlog.get_logger(__name__)


class CallDetails(NamedTuple):
    """``grpc.HandlerCallDetails``, for interceptors and generic handlers."""

    method: str
    invocation_metadata: Any


class InProcessServer:
    """Takes handlers like ``aio.Server``, and answers calls of ``InProcessChannel``.

    Handlers are coroutine functions or asynchronous generators. ``max_concurrent_rpcs``: further calls are
    refused with RESOURCE_EXHAUSTED. ``max_message_bytes``: of one message in either direction.
    ``max_metadata_bytes``: of a call's metadata. Calls run in copies of the context variables in which
    ``start`` was called.
    """

    def __init__(
        self,
        interceptors: Sequence[aio.ServerInterceptor] = (),
        *,
        max_concurrent_rpcs: int | None = None,
        max_message_bytes: int = MAX_RECEIVE_BYTES,
        max_metadata_bytes: int = MAX_METADATA_BYTES,
    ) -> None:
        self._most = max_concurrent_rpcs
        self.max_message_bytes = max_message_bytes
        self._max_metadata = max_metadata_bytes
        self._registered: dict[str, Handler] = {}
        self._takes: dict[str, bool] = {}
        self._look_up: Callable[[Any], Awaitable[Handler | None]] = self._plain
        for interceptor in reversed(interceptors):
            self._look_up = partial(interceptor.intercept_service, self._look_up)
        self._generic: list[grpc.GenericRpcHandler] = []
        self._running: dict[asyncio.Task[None], Exchange] = {}
        self._context = contextvars.copy_context()
        self.serving = False
        self._stopped = False
        self._changes: list[asyncio.Future[None]] = []
        self._idle: list[asyncio.Future[None]] = []

    # --- as aio.Server -----------------------------------------------------------------------------------

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """See ``aio.Server``."""
        self._generic.extend(generic_rpc_handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """See ``aio.Server``."""
        for name, handler in method_handlers.items():
            self._registered[f"/{service_name}/{name}"] = handler

    async def start(self) -> None:
        """Answer calls from now on."""
        self._context = contextvars.copy_context()
        self.serving = True
        self._changed()

    async def stop(self, grace: float | None) -> None:
        """Refuse new calls, and give those in progress ``grace`` seconds. Returns when all have ended."""
        self.serving = False
        self._stopped = True
        self._changed()
        if grace:
            try:
                async with asyncio.timeout(grace):
                    await self._until_idle()
            except TimeoutError:
                log.info("calls_cut", calls=len(self._running))
        for exchange in tuple(self._running.values()):
            exchange.cut(_CUT)
        await self._until_idle()

    async def _until_idle(self) -> None:
        while self._running:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            await turn

    # --- for channels ------------------------------------------------------------------------------------

    @property
    def state(self) -> grpc.ChannelConnectivity:
        """The state for a channel to this server."""
        if self.serving:
            return grpc.ChannelConnectivity.READY
        states = grpc.ChannelConnectivity
        return states.TRANSIENT_FAILURE if self._stopped else states.IDLE

    async def changed(self) -> None:
        """Wait for the next change of ``serving``."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.append(turn)
        await turn

    def _changed(self) -> None:
        changes, self._changes = self._changes, []
        for turn in changes:
            if not turn.done():
                turn.set_result(None)

    def begin(
        self, exchange: Exchange, loop: asyncio.AbstractEventLoop, *, wait_for_ready: bool = False
    ) -> None:
        """Accept a call: it runs as a task of this service."""
        if exchange.over:
            return
        if not self.serving and not wait_for_ready:
            exchange.cut(_STOPPED)
            return
        if self._most is not None and len(self._running) >= self._most:
            exchange.cut(_TOO_MANY)
            return
        size = size_of(exchange.metadata)
        if size > self._max_metadata:
            text = f"received metadata size exceeds limit ({size} vs. {self._max_metadata})"
            exchange.cut(Outcome(grpc.StatusCode.RESOURCE_EXHAUSTED, text))
            return
        task = loop.create_task(self._run(exchange), context=self._context.copy())
        exchange.task = task
        self._running[task] = exchange
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        exchange = self._running.pop(task)
        exchange.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("call_failed", method=exchange.path, exc_info=error)
        if exchange.outcome is None:  # cancelled before its first step, or by its own servicer
            exchange.end(_LET_GO)
        if not self._running:
            idle, self._idle = self._idle, []
            for turn in idle:
                if not turn.done():
                    turn.set_result(None)

    def calls_of(self, owner: object) -> list[Exchange]:
        """The calls in progress that ``owner`` has begun."""
        return [exchange for exchange in self._running.values() if exchange.owner is owner]

    # --- one call ----------------------------------------------------------------------------------------

    async def _run(self, exchange: Exchange) -> None:
        while not self.serving:  # the caller waits for that, until its deadline
            await self.changed()
        context = CallContext(exchange, self.max_message_bytes)
        try:
            handler = await self._look_up(CallDetails(exchange.path, exchange.metadata))
            if handler is None:
                exchange.end(_UNKNOWN_METHOD)
                return
            context.handler = handler
            context.takes_chunks = self._takes.get(exchange.path, False)
            await _handle(handler, exchange, context)
            exchange.end(context.outcome())
        except aio.AbortError:
            return  # the status has been sent
        except Exception as error:
            if exchange.outcome is None:
                log.exception("unexpected error", method=exchange.path)
            outcome = context.outcome()
            text = f"Unexpected {type(error)}: {error}"
            exchange.end(Outcome(grpc.StatusCode.UNKNOWN, text, outcome.trailers))
        finally:
            for callback in context.callbacks:
                callback(context)

    async def _plain(self, details: Any) -> Handler | None:
        """The servicer's handler, with codecs that pass chunks on instead of those for the wire."""
        handler = self._registered_handler(details)
        if handler is None:
            return None
        self._takes[details.method] = handler.request_deserializer in IN_PROCESS
        deserialize = IN_PROCESS.get(handler.request_deserializer, handler.request_deserializer)
        serialize = IN_PROCESS.get(handler.response_serializer, handler.response_serializer)
        if deserialize is handler.request_deserializer and serialize is handler.response_serializer:
            return handler
        kind = (bool(handler.request_streaming), bool(handler.response_streaming))
        return FACTORIES[kind](behavior_of(handler), deserialize, serialize)

    def _registered_handler(self, details: Any) -> Handler | None:
        found = self._registered.get(details.method)
        if found is None:
            for generic in self._generic:
                found = generic.service(details)
                if found is not None:
                    self._registered[details.method] = found
                    break
        return found


async def _handle(handler: Handler, exchange: Exchange, context: CallContext) -> None:
    """Run the servicer of one call, and send what it returns or yields to the caller."""
    behavior = behavior_of(handler)
    if handler.request_streaming:
        request: Any = context.requests()
    else:
        request = await context.read()
        if request is aio.EOF:
            exchange.end(_NO_MESSAGE)
            return
    produced = behavior(request, context)
    if not handler.response_streaming:
        response = await produced
        serialize = handler.response_serializer
        raw = response if serialize is None else serialize(response)
        raw = b"" if raw is None else raw
        if context.fits(len(raw)) and not context.fails:
            exchange.responses.push(raw, len(raw))
        return
    if hasattr(produced, "__aiter__"):
        async for message in produced:
            await context.write(message)
    else:
        await produced  # a servicer that writes to the context itself
