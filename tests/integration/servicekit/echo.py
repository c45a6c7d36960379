"""A service with one method of each kind, whose behaviour a test chooses; it uses Strongroom's messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt
from grpc import aio

from servicekit.serving.server import ServerSpec
from servicekit.settings import CommonSettings
from strongroom.errors import StrongroomError
from strongroom.sending import half_close, send
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse

SERVICE = "strongroom.test.v1.EchoService"
INTERNAL_SERVICE = "strongroom.test.v1.InternalService"
SECRET = "a secret of thirty-two bytes, or so"
INTERNAL_SECRET = "another secret of thirty-two bytes"


async def answer(request: GetUploadRequest, context: Any) -> UploadResponse:
    return UploadResponse(persisted_size=len(request.upload_id))


async def count(requests: AsyncIterator[UploadRequest], context: Any) -> UploadResponse:
    return UploadResponse(persisted_size=sum([len(message.data) async for message in requests]))


async def three(request: GetUploadRequest, context: Any) -> AsyncIterator[UploadResponse]:
    for size in range(3):
        yield UploadResponse(persisted_size=size)


async def mirror(requests: AsyncIterator[UploadRequest], context: Any) -> AsyncIterator[UploadResponse]:
    async for message in requests:
        yield UploadResponse(persisted_size=len(message.data))


@dataclass
class Echo:
    """The four behaviours; replace them before or during a test."""

    unary: Callable[..., Any] = answer
    client_stream: Callable[..., Any] = count
    server_stream: Callable[..., Any] = three
    bidi: Callable[..., Any] = mirror
    services: Sequence[str] = field(default=(SERVICE, INTERNAL_SERVICE))

    def add(self, server: aio.Server) -> Sequence[str]:
        out = UploadResponse.SerializeToString
        one, many = GetUploadRequest.FromString, UploadRequest.FromString
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary, one, out),
            "ClientStream": grpc.stream_unary_rpc_method_handler(self.client_stream, many, out),
            "ServerStream": grpc.unary_stream_rpc_method_handler(self.server_stream, one, out),
            "Bidi": grpc.stream_stream_rpc_method_handler(self.bidi, many, out),
        }
        for service in self.services:
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        return self.services

    def spec(self, **changes: Any) -> ServerSpec:
        given: dict[str, Any] = {
            "name": "echo",
            "bind": "127.0.0.1:0",
            "bind_setting": "STRONGROOM_ECHO_BIND",
            "add_services": self.add,
            "internal_services": (INTERNAL_SERVICE,),
        }
        return ServerSpec(**{**given, **changes})


class EchoStub:
    """The client's side of ``Echo``."""

    def __init__(self, channel: aio.Channel, service: str = SERVICE) -> None:
        kinds = {"Unary": "unary_unary", "ClientStream": "stream_unary"}
        kinds |= {"ServerStream": "unary_stream", "Bidi": "stream_stream"}
        methods = {
            name: getattr(channel, kind)(
                f"/{service}/{name}",
                request_serializer=lambda message: (
                    message if isinstance(message, bytes) else message.SerializeToString()
                ),
                response_deserializer=UploadResponse.FromString,
            )
            for name, kind in kinds.items()
        }
        self.unary, self.client_stream = methods["Unary"], methods["ClientStream"]
        # A unary method, for a client that sends its message later than its headers.
        self.late_unary: Any = channel.stream_unary(
            f"/{service}/Unary",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=UploadResponse.FromString,
        )
        self.server_stream, self.bidi = methods["ServerStream"], methods["Bidi"]


def settings(**changes: Any) -> CommonSettings:
    given: dict[str, Any] = {"jwt_secret": SECRET, "internal_secret": INTERNAL_SECRET}
    return CommonSettings(**{**given, **changes})


def token(sub: str = "alice", **claims: Any) -> str:
    return jwt.encode({"sub": sub, "exp": int(time.time()) + 600, **claims}, SECRET, "HS256")


def bearer(sub: str = "alice", **claims: Any) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token(sub, **claims)}"), ("x-request-id", "req-1"))


async def failure(call: Awaitable[Any]) -> aio.AioRpcError:
    """The error that ``call`` ends with; success fails the test."""
    try:
        result = await call
    except aio.AioRpcError as error:
        return error
    raise AssertionError(f"the call succeeded: {result}")


async def refusal(
    method: Callable[..., Any], *messages: UploadRequest | bytes, reads: bool = False, **options: Any
) -> aio.AioRpcError:
    """The error that a client stream of these messages ends with. ``reads``: a call whose response is a
    stream.

    ``strongroom.sending`` sends the messages: gRPC's own way loses some refusals.
    """
    call = method(**options)
    for message in messages:
        data = message if isinstance(message, bytes) else message.SerializeToString()
        if not await send(call, data):
            break
    await half_close(call)
    return await failure(everything(call) if reads else call)


async def until_failure(responses: Any) -> tuple[list[int], Exception]:
    """The messages of a stream before it fails, and its error."""
    got: list[int] = []
    try:
        async for response in responses:
            got.append(response.persisted_size)  # noqa: PERF401 - what came before the error is wanted
    except (aio.AioRpcError, StrongroomError) as error:
        return got, error
    raise AssertionError(f"the stream ended well: {got}")


async def everything(responses: Any) -> list[UploadResponse]:
    return [response async for response in responses]
