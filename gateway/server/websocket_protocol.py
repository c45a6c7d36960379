"""One WebSocket connection: uvicorn's protocol, counted, and bounded in time like those of HTTP.

A handshake that is not answered in time, a peer that takes nothing, and a closed connection whose last bytes
nobody takes would otherwise stay for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.http.problems import raw_problem
from gateway.metrics import Metrics
from gateway.server.limits import ConnectionLimits
from gateway.server.pace import SendPace

#: How long the services behind may take to say who the caller is and to begin the stream. Seconds.
HANDSHAKE_SECONDS: Final = 20.0


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket under ``limits``. uvicorn makes them, so limits and metrics sit on a subclass:
    ``with_limits``.
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
        self.logger.setLevel(logging.WARNING)  # its lines of handshakes hold query strings
        self._begun = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._refused = False
        self._send_pace = SendPace(self.limits)

    def connection_made(self, transport: Any) -> None:
        """The connection is taken over from HTTP."""
        super().connection_made(transport)
        self.metrics.connections.inc()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.metrics.connections.dec()
        if self._task is not None and (self._refused or not self.handshake_complete):
            self._task.cancel()
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        """Run the application; it is given up when the connection ends before the handshake is answered."""
        self._task = asyncio.current_task()
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """The application's messages. A refusal, too, ends the handshake."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True

    def overdue(self, now: float) -> None:
        """Cut the connection off where one side keeps the other waiting. Called every second."""
        closing = self.transport.is_closing()
        if not closing and not self.handshake_complete:
            if now - self._begun > self.handshake_seconds:
                self._refuse()
            return
        waiting = self.transport.get_write_buffer_size() if closing or not self.writable.is_set() else 0
        if self._send_pace.stuck(self, waiting, now):
            self.metrics.cut_off.labels("send").inc()
            self.transport.abort()

    def _refuse(self) -> None:
        self.metrics.cut_off.labels("header").inc()
        self.handshake_complete = self.close_sent = self._refused = True
        text = "The notifications could not be begun in time; try again."
        self.transport.write(raw_problem(503, "SERVICE_UNAVAILABLE", text, uuid.uuid4().hex, retry_after=2))
        self.transport.close()
