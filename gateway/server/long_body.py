"""The rest of a long body, from the kernel straight into the buffers that are handed on.

By way of uvicorn each byte is copied twice before the application sees it (asyncio's read, the parser's
``on_body``), in pieces of at most 256 KiB. Once the headers are read and the length is known there is nothing
left to parse: until the body's end this protocol stands in for the connection's own. A third of the server's
CPU for a long body, by docs/decisions/0030-uvicorn-inside.md.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Final

from gateway.server.body import RequestBody

#: A shorter rest goes the usual way.
LONG_BYTES: Final = 256 * 1024
#: The largest read.
READ_BYTES: Final = 512 * 1024


class LongBody(asyncio.BufferedProtocol):
    """Receives the ``missing`` bytes of ``body``, then gives ``transport`` back to ``owner`` and calls
    ``ended``. What else happens to the connection is told to ``owner``.
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
        """Take the connection over."""
        self._hand_over(self)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """Room for exactly what the kernel holds, so that nothing need be cut off; one byte where it holds
        nothing.
        """
        (unread,) = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.FIONREAD, b"\0" * 4))
        self._buffer = bytearray(max(1, min(unread, self._missing, READ_BYTES)))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """The buffer has been filled."""
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
        """The connection is over."""
        self._owner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client is slow to take the answer."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """The client has taken some of it."""
        self._owner.resume_writing()

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """How a transport reads is decided when it begins to: let it begin anew."""
        reading = self._transport.is_reading()
        if reading:
            self._transport.pause_reading()
        self._transport.set_protocol(protocol)
        if reading:
            self._transport.resume_reading()
