"""Channels on which calls never wait for a free HTTP/2 stream.

A connection carries a limited number of streams (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 section 5.1.2).
Further calls wait inside gRPC, without a status, until another one ends, so long calls (uploads, downloads,
watches) would delay all others. A pool counts the calls of each connection and opens another one before any
is full.

After its server has gone away, a channel fails all calls until its back-off is over, even if the server is
back already. A pool doesn't wait for that: the next call uses a new channel, which connects at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import grpc
from grpc import aio

#: Calls at a time on one connection. Strongroom's services allow 128, and HTTP/2 recommends at least 100; the
#: rest is for gRPC's own streams.
CALLS_PER_CONNECTION: Final = 64
#: Least time in seconds between new channels while the server is away. Each takes a millisecond of CPU, and
#: any call may cause one.
RENEWAL_SECONDS: Final = 0.05
#: Seconds after which further connections without calls are closed; the first one stays open.
IDLE_SECONDS: Final = 60

Option = tuple[str, int | str]
#: Without this option, gRPC uses the same connection for channels with equal options
#: (https://grpc.io/docs/guides/performance/).
_OWN_CONNECTION: Final[tuple[Option, ...]] = (("grpc.use_local_subchannel_pool", 1),)
_CLOSED_WHEN_IDLE: Final[tuple[Option, ...]] = (("grpc.client_idle_timeout_ms", IDLE_SECONDS * 1000),)


class Lane:
    """One channel of a pool, the number of its calls, and its multicallables by RPC of the pool."""

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.calls = 0
        self.methods: dict[Method, Any] = {}
        self.retired = False
        self._closing: asyncio.Task[None] | None = None

    def left(self, _: object) -> None:
        """Note that a call has ended."""
        self.calls -= 1
        if self.retired and self.calls == 0:
            self.retire()

    def retire(self) -> None:
        """Take no more calls; the channel is closed when its last call has ended."""
        self.retired = True
        if self.calls == 0 and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self.channel.close())


class ChannelPool(aio.Channel):
    """A channel that opens another connection when all of its connections carry ``calls_per_connection``
    calls.

    ``open_channel`` makes a channel with the given options in addition to its own. A call uses the first
    connection with room, so that later ones become idle and are closed by gRPC. A channel that can't connect
    is replaced when a call needs it, at most once per ``renewal_seconds``.

    Belongs to one event loop, like channels.
    """

    def __init__(
        self,
        open_channel: Callable[[Sequence[Option]], aio.Channel],
        calls_per_connection: int = CALLS_PER_CONNECTION,
        *,
        renewal_seconds: float = RENEWAL_SECONDS,
    ) -> None:
        if calls_per_connection < 1:
            raise ValueError("a connection carries at least one call")
        self._open_channel = open_channel
        self._room = calls_per_connection
        self._lanes = [Lane(open_channel(_OWN_CONNECTION))]
        self._retired: list[Lane] = []
        self._methods: dict[tuple[object, ...], Method] = {}
        self._renewal_seconds = renewal_seconds
        self._renewed_at = -renewal_seconds
        self._closed = False

    @property
    def calls(self) -> tuple[int, ...]:
        """Number of calls in progress by connection."""
        return tuple(lane.calls for lane in self._lanes)

    def lane(self) -> Lane:
        """Return the lane for the next call."""
        for index, lane in enumerate(self._lanes):
            if lane.calls < self._room:
                if lane.channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    return self._renewed(index)
                return lane
        if self._closed:
            return self._lanes[0]  # its error says that it is closed
        lane = Lane(self._open_channel((*_OWN_CONNECTION, *_CLOSED_WHEN_IDLE)))
        self._lanes.append(lane)
        return lane

    def _renewed(self, index: int) -> Lane:
        """Replace a channel that has failed to connect and would retry only later."""
        old, now = self._lanes[index], time.monotonic()
        if now - self._renewed_at < self._renewal_seconds:
            return old
        self._renewed_at = now
        self._retired = [lane for lane in self._retired if lane.calls]
        self._retired.append(old)
        old.retire()
        idle = _CLOSED_WHEN_IDLE if index else ()
        self._lanes[index] = Lane(self._open_channel((*_OWN_CONNECTION, *idle)))
        return self._lanes[index]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close all connections; calls that are still running after ``grace`` seconds are cancelled."""
        self._closed = True
        for lane in (*self._lanes, *self._retired):
            await lane.channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the first connection."""
        return self._lanes[0].channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for the first connection to change its state."""
        await self._lanes[0].channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the first connection is ready."""
        await self._lanes[0].channel.channel_ready()

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        """See ``aio.Channel``."""
        return self._method("unary_unary", args, options)

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """See ``aio.Channel``."""
        return self._method("unary_stream", args, options)

    def stream_unary(self, *args: Any, **options: Any) -> Any:
        """See ``aio.Channel``."""
        return self._method("stream_unary", args, options)

    def stream_stream(self, *args: Any, **options: Any) -> Any:
        """See ``aio.Channel``."""
        return self._method("stream_stream", args, options)

    def _method(self, kind: str, args: tuple[Any, ...], options: dict[str, Any]) -> Method:
        """Return the method of an RPC; always the same object, even if a stub is made for each call.

        A lane keeps what it has opened for a method as long as it lives.
        """
        key = (kind, *args, *sorted(options.items()))
        found = self._methods.get(key)
        if found is None:
            found = self._methods[key] = Method(self, kind, args, options)
        return found


class Method:
    """One RPC of a pool: begins each call on the connection that has room. ``path``:
    ``/package.Service/Method``.
    """

    def __init__(self, pool: ChannelPool, kind: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._pool = pool
        self._kind = kind
        self._args = args
        self._options = options
        self.path: str = args[0]

    def __call__(self, *args: Any, **options: Any) -> Any:
        lane = self._pool.lane()
        method = lane.methods.get(self)
        if method is None:
            method = lane.methods[self] = getattr(lane.channel, self._kind)(*self._args, **self._options)
        call = method(*args, **options)
        lane.calls += 1
        call.add_done_callback(lane.left)
        return call
