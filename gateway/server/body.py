"""A request's body between socket and application.

uvicorn gathers a body in a bytearray and copies it out again: two copies of every byte. Here the pieces are
kept as they come off the parser (or of ``LongBody``) and handed out one by one, without copying
(docs/decisions/0030-uvicorn-inside.md).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.http.client import Client

#: Reading from the socket stops while more than this waits for the application.
HIGH_WATER_BYTES: Final = 512 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBody:
    """The body of one request, and its ASGI ``receive``. ``received``: bytes so far; ``client``: who sends
    it.
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
        """The next bytes from the socket; they must not change any more. Dropped once the request has been
        answered.
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
        """The next message: a piece of the body, or that the client has left (or has been answered)."""
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
        """Whether the client has left and nothing that it sent is still wanted."""
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
        """``100 Continue`` goes out when the application first asks for the body (RFC 9110
        section 10.1.1).
        """
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(_CONTINUE)
            cycle.waiting_for_100_continue = False
