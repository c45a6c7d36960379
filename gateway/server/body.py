"""A request's body between socket and application (docs/decisions/0030-uvicorn-inside.md).

uvicorn collects a body in a bytearray and copies it out again: two copies of every byte. Here the pieces are
kept as the parser (or ``LongBody``) delivers them, and passed on one by one without copying.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Callable
from typing import Final

from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.http.leaving import Client

#: Reading from the socket stops while more than this waits for the application.
HIGH_WATER_BYTES: Final = 512 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBody:
    """The body of one request, and its ASGI ``receive``. ``received``: bytes so far; ``client``:
    the sender.
    """

    __slots__ = ("_cycle", "_ended", "_flow", "_pieces", "client", "received")

    def __init__(self, cycle: RequestResponseCycle, flow: FlowControl) -> None:
        self._cycle = cycle
        self._flow = flow
        self._pieces: deque[bytes | bytearray] = deque()
        self._ended = False
        self.received = 0
        self.client = Client()

    def add(self, piece: bytes | bytearray) -> None:
        """Queue the next bytes from the socket, which must not change any more. Dropped if the request is
        answered already.
        """
        if self._cycle.response_complete:
            return
        self._pieces.append(piece)
        self.client.waiting += len(piece)
        self.received += len(piece)
        if self.client.waiting > HIGH_WATER_BYTES:
            self._flow.pause_reading()
        self._cycle.message_event.set()

    async def receive(self) -> Message:
        """The next message: a piece of the body, or a disconnect if the client has left or has
        its response.
        """
        cycle = self._cycle
        self._ask_to_continue()
        while not (self._over() or cycle.response_complete):
            if self._pieces:
                return self._piece()
            if not cycle.more_body and not self._ended:
                self._ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            cycle.message_event.clear()
            self._flow.resume_reading()
            await cycle.message_event.wait()
        return {"type": "http.disconnect"}

    def _over(self) -> bool:
        """Whether the client has left and no more of its bytes are wanted."""
        return self._cycle.disconnected and not (self.client.lingers and self._pieces)

    def _piece(self) -> Message:
        piece = self._pieces.popleft()
        self.client.waiting -= len(piece)
        if self.client.waiting <= HIGH_WATER_BYTES // 2:
            self._flow.resume_reading()
        more = bool(self._pieces) or self._cycle.more_body
        self._ended = not more
        return {"type": "http.request", "body": piece, "more_body": more}

    def _ask_to_continue(self) -> None:
        """Send ``100 Continue`` when the application first asks for the body (RFC 9110 section 10.1.1)."""
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(_CONTINUE)
            cycle.waiting_for_100_continue = False


_CLOSED: Final = 7  # TCP_CLOSE of linux/tcp_states.h
_CLOSE_WAIT: Final = 8


def has_left(transport: asyncio.Transport, missing: int | None) -> bool:
    """Whether the peer can no longer complete its request.

    ``missing``: bytes of the body not read yet; None: unknown. Linux only; elsewhere False, and the end is
    noticed at the next read.
    """
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return False
    try:
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != _CLOSE_WAIT or missing is None:
            return state == _CLOSED
        (unread,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0" * 4))
    except OSError:
        return False
    return int(unread) < missing


#: Bytes from which the rest of a body bypasses the parser.
LONG_BYTES: Final = 256 * 1024
#: The largest read.
READ_BYTES: Final = 512 * 1024


class LongBody(asyncio.BufferedProtocol):
    """Receives the ``missing`` bytes of ``body``, then returns ``transport`` to ``owner`` and calls
    ``ended``.

    All other events of the connection are passed to ``owner``.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        owner: asyncio.Protocol,
        body: RequestBody,
        missing: int,
        ended: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._owner = owner
        self._body = body
        self._missing = missing
        self._ended = ended
        self._buffer = bytearray()
        self._descriptor: int = transport.get_extra_info("socket").fileno()

    def begin(self) -> None:
        """Take over the connection."""
        self._hand_over(self)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """A buffer for exactly the bytes that the kernel holds, so that nothing has to be cut off; one byte
        if it holds none.
        """
        (unread,) = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.FIONREAD, b"\0" * 4))
        self._buffer = bytearray(max(1, min(unread, self._missing, READ_BYTES)))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on the bytes that were read."""
        buffer, self._buffer = self._buffer, bytearray()
        self._missing -= nbytes
        if not self._transport.is_closing():
            self._body.add(buffer if nbytes == len(buffer) else bytes(memoryview(buffer)[:nbytes]))
        if not self._missing:
            self._hand_over(self._owner)
            self._ended()

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._owner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._owner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads the response too slowly."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """The client has read a part of the response."""
        self._owner.resume_writing()

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the transport another protocol. Reading is restarted, because asyncio chooses the way of
        reading only when it begins.
        """
        reading = self._transport.is_reading()
        if reading:
            self._transport.pause_reading()
        self._transport.set_protocol(protocol)
        if reading:
            self._transport.resume_reading()
