"""An RPC method's properties, known before it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc
from grpc import aio
from grpc_interceptor.server import parse_method_name

ServicerContext: TypeAlias = "aio.ServicerContext[Any, Any]"
Behavior: TypeAlias = Callable[[Any, ServicerContext], Any]


#: Factories of handlers, by whether requests and responses are streams.
FACTORIES: Final[Mapping[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


@dataclass(frozen=True, slots=True)
class Method:
    """``path`` is ``/package.Service/Name``.

    ``kind`` as in Prometheus metrics (``unary``, ``bidi_stream``, …).
    """

    path: str
    service: str
    name: str
    kind: str

    @property
    def is_unary_request(self) -> bool:
        """Whether a call has exactly one request message."""
        return self.kind in {"unary", "server_stream"}

    @classmethod
    def of(cls, path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Method:
        """Describe the method that ``handler`` serves at ``path``."""
        parsed = parse_method_name(path)
        kinds = {
            (False, False): "unary",
            (True, False): "client_stream",
            (False, True): "server_stream",
            (True, True): "bidi_stream",
        }
        kind = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
        return cls(path, parsed.fully_qualified_service, parsed.method, kind)


def behavior_of(handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
    """The servicer's own function, for any of the four kinds."""
    found: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    if found is None:
        raise TypeError("a method handler without a function")
    behavior: Behavior = found
    return behavior
