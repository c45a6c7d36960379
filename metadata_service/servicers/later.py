"""Services whose RPCs come in a later release: each answers UNIMPLEMENTED and names the feature."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from strongroom.errors import Unimplemented
from strongroom.metadata.v1 import (
    upload_session_service_pb2,
)

#: Descriptor of the file, service, what it offers.
LATER: Final[tuple[tuple[Any, str, str], ...]] = (
    (upload_session_service_pb2.DESCRIPTOR, "UploadSessionService", "resumable uploads"),
)


def add_later_services(server: aio.Server) -> list[str]:
    """Register them; answers their full names."""
    names = []
    for file, name, feature in LATER:
        service: ServiceDescriptor = file.services_by_name[name]
        handlers = {method.name: _handler(method, feature) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
        names.append(service.full_name)
    return names


def _handler(method: MethodDescriptor, feature: str) -> grpc.RpcMethodHandler[Any, Any]:
    deserialize = GetMessageClass(method.input_type).FromString
    serialize = GetMessageClass(method.output_type).SerializeToString
    if method.server_streaming:
        # A coroutine is a stream that says nothing before it ends.
        return grpc.unary_stream_rpc_method_handler(_refuse(method, feature), deserialize, serialize)
    return grpc.unary_unary_rpc_method_handler(_refuse(method, feature), deserialize, serialize)


def _refuse(method: MethodDescriptor, feature: str) -> Callable[[Any, Any], Awaitable[Any]]:
    async def handle(_request: Any, _context: Any) -> Any:
        raise _unimplemented(method, feature)

    return handle


def _unimplemented(method: MethodDescriptor, feature: str) -> Unimplemented:
    return Unimplemented(
        f"{method.containing_service.name}.{method.name} ({feature}) comes in a later release.",
        metadata={"feature": feature},
    )
