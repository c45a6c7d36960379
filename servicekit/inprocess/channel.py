"""Replaces ``grpc.aio.Channel`` for a service in the same process and event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

import grpc
from grpc import aio

from servicekit.inprocess.calls import (
    Codecs,
    StreamStreamCall,
    StreamUnaryCall,
    UnaryStreamCall,
    UnaryUnaryCall,
)
from servicekit.inprocess.context import too_large
from servicekit.inprocess.exchange import Exchange, Outcome, pairs_of
from servicekit.inprocess.server import InProcessServer
from strongroom.wire import IN_PROCESS

Codec = Callable[[Any], Any]

_CLOSED: Final = Outcome(grpc.StatusCode.CANCELLED, "Channel closed!", local=True)


class InProcessChannel(aio.Channel):
    """Calls of one caller to ``server``. Belongs to one event loop, like channels."""

    def __init__(self, server: InProcessServer) -> None:
        self._server = server
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Accept no more calls; those still running after ``grace`` seconds are cancelled."""
        self._closed = True
        running = self._server.calls_of(self)
        if running and grace:
            tasks = [one.task for one in running if one.task is not None]
            await asyncio.wait(tasks, timeout=grace)
        for exchange in running:
            exchange.cut(_CLOSED)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: ARG002 - gRPC's
        """READY while the service serves."""
        return grpc.ChannelConnectivity.SHUTDOWN if self._closed else self._server.state

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the state differs."""
        while self.get_state() is last_observed_state:
            await self._server.changed()

    async def channel_ready(self) -> None:
        """Wait until the service serves."""
        while not self._server.serving:
            await self._server.changed()

    def unary_unary(
        self,
        method: str,
        request_serializer: Codec | None = None,
        response_deserializer: Codec | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """See ``aio.Channel``."""
        return _FromOne(self, method, request_serializer, response_deserializer, UnaryUnaryCall)

    def unary_stream(
        self,
        method: str,
        request_serializer: Codec | None = None,
        response_deserializer: Codec | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """See ``aio.Channel``."""
        return _FromOne(self, method, request_serializer, response_deserializer, UnaryStreamCall)

    def stream_unary(
        self,
        method: str,
        request_serializer: Codec | None = None,
        response_deserializer: Codec | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """See ``aio.Channel``."""
        return _FromMany(self, method, request_serializer, response_deserializer, StreamUnaryCall)

    def stream_stream(
        self,
        method: str,
        request_serializer: Codec | None = None,
        response_deserializer: Codec | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """See ``aio.Channel``."""
        return _FromMany(self, method, request_serializer, response_deserializer, StreamStreamCall)

    def exchange(
        self, path: str, metadata: Any, timeout: float | None, *, whole: bool
    ) -> tuple[Exchange, asyncio.AbstractEventLoop]:
        """A call that has not begun. Raises UsageError on a closed channel."""
        if self._closed:
            raise aio.UsageError("Channel is closed.")
        loop = asyncio.get_running_loop()
        return Exchange(path, pairs_of(metadata), timeout, whole=whole, owner=self, loop=loop), loop

    @property
    def server(self) -> InProcessServer:
        """The service's side."""
        return self._server


class _Method:
    """One RPC of the channel."""

    def __init__(
        self,
        channel: InProcessChannel,
        path: str,
        serialize: Codec | None,
        deserialize: Codec | None,
        kind: Callable[[Exchange, Codecs, asyncio.AbstractEventLoop], Any],
    ) -> None:
        self._channel = channel
        self._server = channel.server
        self._path = path
        self._kind = kind
        self._whole = kind in (UnaryUnaryCall, StreamUnaryCall)
        self._codecs = Codecs(
            IN_PROCESS.get(serialize, serialize) if serialize else None,
            IN_PROCESS.get(deserialize, deserialize) if deserialize else None,
            deserialize in IN_PROCESS,
            channel.server.max_message_bytes,
        )


class _FromOne(_Method):
    """A method with one request message."""

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,  # noqa: ARG002 - no transport to secure
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,  # noqa: ARG002 - nothing to compress
    ) -> Any:
        raw = self._codecs.out(request)
        exchange, loop = self._channel.exchange(self._path, metadata, timeout, whole=self._whole)
        size, most = len(raw), self._codecs.max_message_bytes
        if size > most:
            exchange.cut(too_large("SERVER: Received", size, most))
        else:
            exchange.requests.push(raw, size)
            exchange.requests.finish()
            self._server.begin(exchange, loop, wait_for_ready=bool(wait_for_ready))
        return self._kind(exchange, self._codecs, loop)


class _FromMany(_Method):
    """A method with a stream of request messages."""

    def __call__(  # noqa: PLR0917 - the order of grpc.aio
        self,
        request_iterator: AsyncIterable[Any] | Iterable[Any] | None = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,  # noqa: ARG002 - no transport to secure
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,  # noqa: ARG002 - nothing to compress
    ) -> Any:
        exchange, loop = self._channel.exchange(self._path, metadata, timeout, whole=self._whole)
        self._server.begin(exchange, loop, wait_for_ready=bool(wait_for_ready))
        call = self._kind(exchange, self._codecs, loop)
        call.send_all(request_iterator)
        return call
