"""Calls between services in the same process: the behaviour of ``grpc.aio`` without HTTP/2.

``InProcessServer`` takes the method handlers and interceptors of an ``aio.Server``; ``InProcessChannel``
replaces an ``aio.Channel`` under a stub. Each call runs as a task of the called service, in that service's
context variables. Deadlines, cancellation, statuses with trailers, limits of size and number, back-pressure
and drain are those of gRPC; the same contract tests run on both (tests/contract/channel).

Unary messages and protobuf messages of streams are serialized by one side and parsed by the other, so that
nobody modifies another's objects. Plain data chunks (``strongroom.wire``) are passed on: the receiver gets
its own message with shared, immutable bytes.
"""

from __future__ import annotations

from servicekit.inprocess.channel import InProcessChannel
from servicekit.inprocess.server import InProcessServer

__all__ = ["InProcessChannel", "InProcessServer"]
