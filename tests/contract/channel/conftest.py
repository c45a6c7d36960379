"""The same service over HTTP/2 and in the same process, with clients for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import pytest
from grpc import aio

from servicekit.inprocess import InProcessChannel, InProcessServer

SERVICE: Final = "strongroom.test.v1.Plain"
PATH: Final = f"/{SERVICE}/"
MOST_BYTES: Final = 1 << 20
MOST_METADATA: Final = 4096
SECONDS: Final = 60.0
Behavior = Callable[..., Any]


async def _none(request: Any, context: Any) -> bytes:
    return b""


class Handlers:
    """One method of each kind; messages are bytes."""

    def __init__(self, **behaviors: Behavior) -> None:
        self.unary: Behavior = behaviors.get("unary", _none)
        self.down: Behavior = behaviors.get("down", _none)
        self.up: Behavior = behaviors.get("up", _none)
        self.both: Behavior = behaviors.get("both", _none)

    def add_to(self, server: aio.Server | InProcessServer) -> None:
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))


class Client:
    """A channel, its methods, and the server behind it."""

    def __init__(self, channel: aio.Channel, server: aio.Server | InProcessServer, way: str) -> None:
        self.channel = channel
        self.server = server
        self.way = way
        self.unary: Any = channel.unary_unary(PATH + "Unary")
        self.down: Any = channel.unary_stream(PATH + "Down")
        self.up: Any = channel.stream_unary(PATH + "Up")
        self.both: Any = channel.stream_stream(PATH + "Both")
        self.unknown: Any = channel.unary_unary(PATH + "Unknown")


class Way:
    """``async with way(unary=…) as client``."""

    def __init__(self, name: str) -> None:
        self.name = name

    @asynccontextmanager
    async def __call__(
        self,
        *,
        most: int | None = None,
        interceptors: tuple[aio.ServerInterceptor, ...] = (),
        **behaviors: Behavior,
    ) -> AsyncIterator[Client]:
        handlers = Handlers(**behaviors)
        async with asyncio.timeout(SECONDS):
            if self.name == "inprocess":
                inside = InProcessServer(
                    interceptors,
                    max_concurrent_rpcs=most,
                    max_message_bytes=MOST_BYTES,
                    max_metadata_bytes=MOST_METADATA,
                )
                handlers.add_to(inside)
                await inside.start()
                async with InProcessChannel(inside) as channel:
                    yield Client(channel, inside, self.name)
                await inside.stop(None)
                return
            options = [
                ("grpc.max_receive_message_length", MOST_BYTES),
                ("grpc.max_send_message_length", MOST_BYTES),
                ("grpc.max_metadata_size", MOST_METADATA),
                ("grpc.absolute_max_metadata_size", MOST_METADATA),
            ]
            outside = aio.server(interceptors=interceptors, maximum_concurrent_rpcs=most, options=options)
            handlers.add_to(outside)
            port = outside.add_insecure_port("127.0.0.1:0")
            await outside.start()
            async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Client(channel, outside, self.name)
            await outside.stop(None)


@pytest.fixture(params=["http2", "inprocess"])
def way(request: pytest.FixtureRequest) -> Way:
    return Way(request.param)


async def failure(call: Any) -> aio.AioRpcError:
    """The error with which ``call`` ends."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value


class Watched:
    """A servicer that records when it begins and how it ends."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.how = ""

    async def forever(self, request: Any, context: Any) -> bytes:
        """Runs until cancelled."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.how = "cancelled"
            raise
        finally:
            self.ended.set()
        return b""

    async def trickle(self, request: Any, context: Any) -> AsyncIterator[bytes]:
        """One message, then nothing until cancelled."""
        yield b"first"
        await self.forever(request, context)
