"""Services whose methods fail a given number of times, and then answer with an empty message."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from strongroom import errors
from tests.integration.sdk.fakes.storage import refuse


@dataclass
class Flaky(grpc.GenericRpcHandler):
    """``failures``: how many more times each method fails. ``calls``: how often each was called, and with
    which request ids.
    """

    answers: dict[str, Message]
    failures: int = 0
    error: errors.StrongroomError = field(default_factory=lambda: errors.ServiceUnavailable("not now"))
    calls: Counter[str] = field(default_factory=Counter)
    address: str = ""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """A handler for any method, as a stream in both directions: a unary call is a stream of
        one message.
        """
        service, _, name = details.method.rpartition("/")
        if service == "/grpc.health.v1.Health":
            return None  # the channel takes a server without a health service as healthy

        async def answer(messages: Any, context: Any) -> None:
            self.calls[name] += 1
            if self.calls[name] <= self.failures:
                await refuse(context, self.error)
            async for _ in messages:
                pass
            await context.write(self.answers[name].SerializeToString())

        return grpc.stream_stream_rpc_method_handler(answer)


@asynccontextmanager
async def flaky(answers: dict[str, Message]) -> AsyncGenerator[Flaky]:
    """Serve on loopback, at ``address``, in this event loop."""
    handler = Flaky(answers)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield handler
    finally:
        await server.stop(0)
        await asyncio.sleep(0)
