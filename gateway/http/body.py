"""The body of a request as it comes, whatever becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.http.exchange import Exchange
from gateway.http.problems import ClientGone


class Body:
    """Taken once, piece by piece. ``more``: whether a further piece may come."""

    def __init__(self, exchange: Exchange) -> None:
        self._receive = exchange.receive
        self.more = True

    async def take(self) -> bytes:
        """What has come next; it may be empty.

        :raises ClientGone: the client left before the body's end; no more comes.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.more = False
            raise ClientGone
        self.more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All pieces. Raises as ``take``."""
        while self.more:
            if piece := await self.take():
                yield piece
