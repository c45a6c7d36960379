"""The messages of one direction of a call."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

#: Bytes that may wait for the reader after a write has returned: HTTP/2's initial window (RFC 9113 section
#: 6.9.2). A write of a larger message returns once the reader has taken it.
WINDOW_BYTES: Final = 64 * 1024
#: Returned by ``take`` when no message will follow.
END: Final = object()


class Pipe:
    """A queue with one reader, bounded by bytes."""

    __slots__ = ("_abandoned", "_finished", "_held", "_loop", "_messages", "_reader", "_writers")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: deque[tuple[Any, int]] = deque()
        self._held = 0
        self._reader: asyncio.Future[None] | None = None
        self._writers: list[asyncio.Future[None]] = []
        self._finished = False
        self._abandoned = False

    @property
    def empty(self) -> bool:
        """Whether no message waits for the reader."""
        return not self._messages

    def push(self, message: Any, size: int) -> None:
        """Add a message without waiting; used for the only message of a unary side."""
        if not (self._finished or self._abandoned):
            self._messages.append((message, size))
            self._held += size
            if self._reader is not None:
                self._wake_reader()

    async def put(self, message: Any, size: int) -> bool:
        """Add a message and wait like ``drained``. Returns False if the reader has stopped reading."""
        self.push(message, size)
        return await self.drained()

    @property
    def full(self) -> bool:
        """Whether a writer has to wait before the next message (``drained``)."""
        return self._held > WINDOW_BYTES or self._abandoned

    async def drained(self) -> bool:
        """Wait until at most the window's bytes wait for the reader. Returns False if the reader has stopped
        reading.
        """
        while self._held > WINDOW_BYTES and not self._abandoned:
            turn = self._loop.create_future()
            self._writers.append(turn)
            try:
                await turn
            finally:
                if turn in self._writers:
                    self._writers.remove(turn)
        return not self._abandoned

    async def take(self) -> Any:
        """The next message, or END."""
        while not self._messages:
            if self._finished or self._abandoned:
                return END
            if self._reader is not None:
                raise RuntimeError("two readers of one stream")
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        message, size = self._messages.popleft()
        self._held -= size
        if self._writers and self._held <= WINDOW_BYTES:
            self._wake_writers()
        return message

    def finish(self) -> None:
        """No more messages follow; waiting ones are still delivered."""
        self._finished = True
        if self._reader is not None:
            self._wake_reader()

    def abandon(self) -> None:
        """Nobody reads any more: drop waiting messages, and let writers return."""
        self._abandoned = True
        self._messages.clear()
        self._held = 0
        if self._reader is not None:
            self._wake_reader()
        if self._writers:
            self._wake_writers()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for turn in writers:
            if not turn.done():
                turn.set_result(None)
