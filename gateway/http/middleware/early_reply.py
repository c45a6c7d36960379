"""Responses sent before the request's body has been read, delivered so that clients see them.

If a connection is closed while the client still sends, TCP resets it, and the reset may destroy the response
on its way (RFC 9112 section 9.6). So the response is sent at once with ``Connection: close``; then a limited
rest of the body is read and dropped, and only then is the connection closed. A client that waits for ``100
Continue`` sends nothing, and does not get it.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.leaving import Draining

#: Bodies of an announced length up to this are read to the end, and the connection stays open.
SMALL_BODY_BYTES = 64 * 1024


#: Seconds to wait for the rest of a body while the process shuts down, since it ends soon.
LEAVING_SECONDS = 1.0


class EarlyReplies:
    """``limit``: most bytes that are read and dropped, within ``seconds``."""

    def __init__(self, app: ASGIApp, draining: Draining, *, limit: int, seconds: float) -> None:
        self._app = app
        self._draining = draining
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(scope, receive)
        if body.ended:
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if not body.ended:
                if message["type"] == "http.response.start":
                    if not body.small:
                        message["headers"] = [*message["headers"], (b"connection", b"close")]
                elif not message.get("more_body", False):
                    await send({**message, "more_body": True})
                    await self._drop_rest(body)
                    message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, body.receive, send_safely)

    async def _drop_rest(self, body: _Body) -> None:
        if body.waits_for_continue:
            return
        end = body.received + self._limit
        seconds = min(self._seconds, LEAVING_SECONDS) if self._draining.begun else self._seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not body.ended and body.received < end:
                    await body.receive()


class _Body:
    """Tracks whether the request's body has been read to its end. ``ended`` is also true if the client has
    left.
    """

    __slots__ = ("_receive", "ended", "received", "small", "waits_for_continue")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.received = 0
        length: bytes | None = None
        chunked = self.waits_for_continue = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
            elif name == b"expect":
                self.waits_for_continue = value.lower() == b"100-continue"
        self.ended = not chunked and (length is None or length.strip(b"0") == b"")
        self.small = (
            not self.waits_for_continue
            and length is not None
            and length.isdigit()
            and len(length) < 8
            and int(length) <= SMALL_BODY_BYTES
        )

    async def receive(self) -> Message:
        self.waits_for_continue = False
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.ended = True
        else:
            self.received += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        return message
