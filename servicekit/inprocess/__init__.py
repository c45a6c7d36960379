"""Calls between services that share a process: what ``grpc.aio`` does over HTTP/2, without HTTP/2.

``InProcessServer`` takes the method handlers and interceptors of an ``aio.Server``, ``InProcessChannel`` the
place of an ``aio.Channel`` under a stub. Each call runs as a task of the service that is called, in that
service's own context variables; deadlines, cancellation, statuses with trailers, limits of size and number,
back-pressure and drain are those of gRPC, which one contract suite holds against both
(tests/contract/channel).

Unary messages and protobuf messages of streams are serialized by the one side and parsed by the other, so
that nobody changes what somebody else holds. Plain data chunks (``strongroom.wire``) are handed over: the
message is the receiver's own, its bytes are shared and never change.
"""

from __future__ import annotations

from servicekit.inprocess.channel import InProcessChannel
from servicekit.inprocess.server import InProcessServer

__all__ = ["InProcessChannel", "InProcessServer"]
