"""The caller's side: a running call of each kind, with the interface of ``grpc.aio``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import ref

import grpc
from grpc import aio

from servicekit.inprocess.context import too_large
from servicekit.inprocess.exchange import Exchange, Outcome
from servicekit.inprocess.pipe import END

_LOCAL: Final = Outcome(grpc.StatusCode.CANCELLED, "Locally cancelled by application!", local=True)
_COLLECTED: Final = Outcome(grpc.StatusCode.CANCELLED, "Cancelled upon garbage collection!", local=True)
_FINISHED: Final = "RPC already finished."
_HALF_CLOSED: Final = 'RPC is half closed after calling "done_writing".'
_MIXED: Final = "The iterator and read/write APIs may not be mixed on a single RPC."


@dataclass(frozen=True, slots=True)
class Codecs:
    """Conversions of a method's messages. ``takes_chunks``: chunks pass unconverted."""

    serialize: Callable[[Any], Any] | None
    deserialize: Callable[[Any], Any] | None
    takes_chunks: bool
    max_message_bytes: int

    def out(self, message: Any) -> Any:
        """Convert an outgoing message."""
        return message if self.serialize is None else self.serialize(message)

    def taken(self, raw: Any) -> Any:
        """Convert a received message."""
        if type(raw) is not bytes and not self.takes_chunks:
            raw = raw.encode()
        return raw if self.deserialize is None else self.deserialize(raw)


class InProcessCall(aio.Call):
    """The common part of the four kinds. A call without references is cancelled."""

    def __init__(self, exchange: Exchange, codecs: Codecs, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._codecs = codecs
        self._loop = loop
        self._callbacks: list[Callable[[Any], None]] = []
        if not exchange.over:
            exchange.on_over = partial(_tell, ref(self))

    def __del__(self) -> None:
        exchange = self._exchange
        if not exchange.over and not self._loop.is_closed():
            exchange.on_over = None
            exchange.cut(_COLLECTED)
            self.run_callbacks()

    def run_callbacks(self) -> None:
        """The call is over: run the callbacks."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._loop.call_soon(callback, self)

    def cancelled(self) -> bool:
        """Whether the call ended as CANCELLED."""
        outcome = self._exchange.outcome
        return self._exchange.over and outcome is not None and outcome.code is grpc.StatusCode.CANCELLED

    def done(self) -> bool:
        """Whether the call is over."""
        return self._exchange.over

    def time_remaining(self) -> float | None:
        """Seconds until the call's deadline; None without one."""
        return self._exchange.time_remaining()

    def cancel(self) -> bool:
        """Cancel the call and its servicer. Returns False if it was over."""
        return self._exchange.cut(_LOCAL)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call ``callback`` with this call once it is over."""
        if self._exchange.over:
            self._loop.call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    async def initial_metadata(self) -> aio.Metadata:
        """Wait for the initial metadata, and return it."""
        await self._exchange.until_begun()
        return aio.Metadata(*(self._exchange.initial or ()))

    async def _outcome(self) -> Outcome:
        await self._exchange.until_over()
        return self._exchange.outcome or _LOCAL

    async def trailing_metadata(self) -> aio.Metadata:
        """Wait until the call is over, and return its trailing metadata."""
        return aio.Metadata(*(await self._outcome()).trailers)

    async def code(self) -> grpc.StatusCode:
        """Wait until the call is over, and return its status code."""
        return (await self._outcome()).code

    async def details(self) -> str:
        """Wait until the call is over."""
        return (await self._outcome()).details

    async def debug_error_string(self) -> str:
        """Wait until the call is over. Returns the status in short."""
        outcome = await self._outcome()
        return "" if outcome.code is grpc.StatusCode.OK else f"{self._exchange.path}: {outcome.code.name}"

    async def wait_for_connection(self) -> None:
        """There is no connection. Raises the error of a call that has failed."""
        if self._exchange.over:
            self._raise_for_status()

    def _raise_for_status(self) -> None:
        if self._exchange.failed:
            raise self._exchange.error()


def _tell(call: ref[InProcessCall]) -> None:
    found = call()
    if found is not None:
        found.run_callbacks()


class _OneResponse(InProcessCall):
    """Waits for the only response."""

    _response: Any = END

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        exchange = self._exchange
        if not exchange.over:
            try:
                await exchange.until_over()
            except asyncio.CancelledError:
                self.cancel()
                raise
        self._raise_for_status()
        if self._response is END:
            raw = await exchange.responses.take()
            self._response = None if raw is END else self._codecs.taken(raw)
        return self._response


class _ManyResponses(InProcessCall):
    """Reads responses one by one."""

    _iterator: AsyncIterator[Any] | None = None
    _reads: bool = False

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._reads:
            raise aio.UsageError(_MIXED)
        if self._iterator is None:
            self._iterator = self._responses()
        return self._iterator

    async def _responses(self) -> AsyncIterator[Any]:
        try:
            while (message := await self._next()) is not aio.EOF:
                yield message
        except GeneratorExit:  # the reader has left the loop
            self.cancel()
            raise
        self._raise_for_status()

    async def read(self) -> Any:
        """The next response, or ``aio.EOF``."""
        if not self._exchange.over:
            if self._iterator is not None:
                raise aio.UsageError(_MIXED)
            self._reads = True
        message = await self._next()
        if message is aio.EOF:
            self._raise_for_status()
        return message

    async def _next(self) -> Any:
        exchange = self._exchange
        try:
            raw = await exchange.responses.take()
        except asyncio.CancelledError:
            self.cancel()
            raise
        exchange.settle()
        if raw is END:
            return aio.EOF
        return self._codecs.taken(raw)


class _ManyRequests(InProcessCall):
    """Writes requests one by one, or takes them from an iterator."""

    _half_closed: bool = False
    _poller: asyncio.Task[None] | None = None

    def send_all(self, requests: AsyncIterable[Any] | Iterable[Any] | None) -> None:
        """Take the messages from ``requests``; None: the caller writes them."""
        if requests is not None:
            self._poller = self._loop.create_task(_feed(ref(self), requests))
            self._poller.add_done_callback(_quiet)

    def cancel(self) -> bool:
        """Like the other kinds; also stops taking requests."""
        done = super().cancel()
        if done and self._poller is not None:
            self._poller.cancel()
        return done

    async def write(self, request: Any) -> None:
        """Send a message; waits while the service takes no more.

        :raises asyncio.InvalidStateError: the call is over. :raises AioRpcError: it failed meanwhile.
        """
        if self._poller is not None:
            raise aio.UsageError(_MIXED)
        await self._write(request)

    async def _write(self, request: Any) -> None:
        exchange = self._exchange
        if exchange.over:
            raise asyncio.InvalidStateError(_FINISHED)
        if self._half_closed:
            raise asyncio.InvalidStateError(_HALF_CLOSED)
        raw = self._codecs.out(request)
        size = len(raw)
        if size > self._codecs.max_message_bytes:
            exchange.cut(too_large("SERVER: Received", size, self._codecs.max_message_bytes))
            self._raise_for_status()
        try:
            taken = await exchange.requests.put(raw, size)
        except asyncio.CancelledError:
            self.cancel()
            raise
        if not taken and self.done():
            self._raise_for_status()

    async def done_writing(self) -> None:
        """No more messages follow."""
        if self._poller is not None:
            raise aio.UsageError(_MIXED)
        self._half_close()

    def _half_close(self) -> None:
        self._half_closed = True
        self._exchange.requests.finish()


async def _feed(call: ref[_ManyRequests], requests: Any) -> None:
    """Write everything from ``requests``. If the iterator fails, the call ends."""
    try:
        if isinstance(requests, AsyncIterable):
            async for request in requests:
                if not await _offered(call, request):
                    return
        else:
            for request in requests:
                if not await _offered(call, request):
                    return
    except BaseException:
        if (found := call()) is not None:
            found.cancel()
        raise
    if (found := call()) is not None:
        found._half_close()  # noqa: SLF001 - a function, so that it does not hold the call


async def _offered(call: ref[_ManyRequests], request: Any) -> bool:
    found = call()
    if found is None or found.done():
        return False
    try:
        await found._write(request)  # noqa: SLF001 - as above
    except aio.AioRpcError:
        return False
    return True


def _quiet(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # the call was cancelled because of it, like grpc.aio does


class UnaryUnaryCall(_OneResponse, aio.UnaryUnaryCall[Any, Any]):
    """See ``grpc.aio``."""


class UnaryStreamCall(_ManyResponses, aio.UnaryStreamCall[Any, Any]):
    """See ``grpc.aio``."""


class StreamUnaryCall(_ManyRequests, _OneResponse, aio.StreamUnaryCall[Any, Any]):
    """See ``grpc.aio``."""


class StreamStreamCall(_ManyRequests, _ManyResponses, aio.StreamStreamCall[Any, Any]):
    """See ``grpc.aio``."""
