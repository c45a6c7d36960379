"""One WebSocket connection: uvicorn's protocol with metrics and time limits like those of HTTP.

Without these, a handshake that is never answered, a peer that reads nothing, and a closed connection whose
last bytes are not read would stay for ever. Clients have nothing to send: their messages are dropped, and a
client that sends many is disconnected.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import time
import uuid
from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import MAX_LINE_LENGTH

from gateway.http.problems import raw_problem
from gateway.metrics import Metrics
from gateway.server.pace import ConnectionLimits, SendPace

#: Seconds in which the services have to identify the caller and begin the stream.
HANDSHAKE_SECONDS: Final = 20.0
#: Frames that a client may send (pongs, a close, what its library sends), and how many more per second. Each
#: costs some microseconds of the loop; fragments and pongs stay in memory.
FREE_FRAMES: Final = 100
FRAMES_PER_SECOND: Final = 10
#: Bytes that are parsed at a time, so that a flood of small frames is noticed early.
PIECE: Final = 2048
_Utf8: Final = codecs.getincrementaldecoder("utf-8")
FAILED: Final = "The notifications could not be begun; try again."
TOO_LONG: Final = (
    f"The handshake of a WebSocket has an address and header lines of {MAX_LINE_LENGTH} bytes at most;"
    " send a long token as Authorization, or get a ticket from /api/notifications/ticket."
)


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket with ``limits``. uvicorn creates the instances, so ``with_limits`` makes a subclass that
    has limits and metrics.
    """

    limits: ClassVar[ConnectionLimits]
    metrics: ClassVar[Metrics]
    handshake_seconds: ClassVar[float] = HANDSHAKE_SECONDS

    @classmethod
    def with_limits(cls, limits: ConnectionLimits, metrics: Metrics) -> type[GuardedWebSocket]:
        """The class to give to uvicorn."""
        return type("LimitedWebSocket", (cls,), {"limits": limits, "metrics": metrics})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("gateway.server.websocket")
        self.logger.setLevel(logging.WARNING)  # its log lines about handshakes contain query strings
        self._begun = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._refused = False
        self._send_pace = SendPace(self.limits)
        self._frames = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._leaves = False

    def connection_made(self, transport: Any) -> None:
        """Take the connection over from HTTP."""
        super().connection_made(transport)
        self.metrics.connections.inc()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.metrics.connections.dec()
        if self._task is not None and (self._refused or not self.handshake_complete):
            self._task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse frames, or the handshake as HTTP has read it."""
        for begin in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            super().data_received(data[begin : begin + PIECE])
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self._refused:
            self.metrics.cut_off.labels("head_size").inc()  # all other rules were checked before
            self._refuse(TOO_LONG, status=431, code="MALFORMED_REQUEST")

    def handle_text(self, event: Frame) -> None:
        """Drop the message, like all messages, so that neither fragments nor a queue grow."""
        self._decoder = _Utf8()
        self._take(event)

    def handle_bytes(self, event: Frame) -> None:
        """As ``handle_text``."""
        self._decoder = None
        self._take(event)

    def handle_cont(self, event: Frame) -> None:
        """As ``handle_text``."""
        self._take(event)

    def _take(self, event: Frame) -> None:
        """Count a frame of a message. Only the form of a text is checked (RFC 6455 section 8.1)."""
        if not self._count_frame() or self._decoder is None:
            return
        try:
            self._decoder.decode(bytes(event.data), final=event.fin)
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "this text is not UTF-8")

    def handle_ping(self) -> None:
        """Answer, unless there are too many."""
        if self._count_frame():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Accept an answer to our ping, unless there are too many."""
        if self._count_frame():
            super().handle_pong(event)

    def _count_frame(self) -> bool:
        """Count a frame. Returns False if there are too many; the connection is then being closed."""
        if self.close_sent:
            return False
        self._frames += 1
        if self._frames <= FREE_FRAMES + FRAMES_PER_SECOND * (time.monotonic() - self._begun):
            return True
        self._fail(CloseCode.POLICY_VIOLATION, "this socket takes no messages")
        return False

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.metrics.cut_off.labels("frames").inc()
        self.conn.fail(code, reason)
        if self.conn.close_sent is None:  # the handshake is not answered yet
            self.transport.abort()
        else:
            self.handle_parser_exception()

    def send_500_response(self) -> None:
        """Refuse the handshake, because the process stops or the application has failed before
        answering it.
        """
        if self.initial_response or self.handshake_complete:
            return
        self._refuse("This server is leaving; connect again." if self._leaves else FAILED)

    def shutdown(self) -> None:
        """Note that the process stops."""
        self._leaves = True
        super().shutdown()

    async def run_asgi(self) -> None:
        """Run the application. It is cancelled if the connection ends before the handshake is answered."""
        self._task = asyncio.current_task()
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Send the application's message. A refusal also ends the handshake."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True

    def overdue(self, now: float) -> None:
        """Close the connection if one side keeps the other waiting. Called every second."""
        closing = self.transport.is_closing()
        if not closing and not self.handshake_complete:
            if now - self._begun > self.handshake_seconds:
                self.metrics.cut_off.labels("header").inc()
                self._refuse("The notifications could not be begun in time; try again.")
            return
        waiting = self.transport.get_write_buffer_size() if closing or not self.writable.is_set() else 0
        if self._send_pace.measures_stuck(self, waiting, now):
            self.metrics.cut_off.labels("send").inc()
            self.transport.abort()

    def _refuse(self, text: str, *, status: int = 503, code: str = "SERVICE_UNAVAILABLE") -> None:
        self.handshake_complete = self.close_sent = self._refused = True
        retry_after = 2 if status == HTTPStatus.SERVICE_UNAVAILABLE else None
        self.transport.write(raw_problem(status, code, text, uuid.uuid4().hex, retry_after=retry_after))
        self.transport.close()
