"""The way of a response stream to its reader, who may take nothing.

A write ends once gRPC has handed the message to the connection, which waits for the reader's flow-control
window. Whoever holds memory for a message may ask how long its write has lasted, and end the call.
"""

from __future__ import annotations

import asyncio
from typing import Any

from strongroom.errors import DeadlineExceeded, StrongroomError


class Writing:
    """The writes of one call. ``seconds``: how long the reader may take over one message."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None
        self._error: StrongroomError | None = None
        self._began = 0.0
        self.stuck = False

    def waits(self) -> float:
        """Seconds since the write that is under way began; 0.0 between writes."""
        return asyncio.get_running_loop().time() - self._began if self._limit is not None else 0.0

    def interrupt(self, error: StrongroomError) -> bool:
        """Let the write that is under way raise ``error``; False between writes."""
        if self._limit is None or self._error is not None:
            return False
        self._error = error
        self._limit.reschedule(asyncio.get_running_loop().time())
        return True

    async def write(self, context: Any, response: Any) -> None:
        """Write one message. Raises DeadlineExceeded when the reader takes too long over it, or what
        ``interrupt`` was given.
        """
        self._began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._seconds) as self._limit:
                await context.write(response)
        except TimeoutError:
            self.stuck = True
            raise self._error or DeadlineExceeded(
                f"The reader took nothing for {self._seconds:g} s; ask again from where it stopped.",
                metadata={"limit_seconds": f"{self._seconds:g}"},
            ) from None
        finally:
            self._limit = None
