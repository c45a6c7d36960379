"""Head and body of an answer in one packet.

uvicorn writes the head as soon as it knows it, and uvloop hands every write to the kernel at once: two system
calls, two packets (Nagle's algorithm is off), and a client that wakes up twice.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

#: Larger writes are not copied behind the head; they go out after it.
_JOINED_BYTES: Final = 64 * 1024


class OneWrite:
    """A transport that keeps back small writes until the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._size = 0
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes) -> None:
        """Send ``data``, soon at the latest, in order."""
        if self._size + len(data) > _JOINED_BYTES:
            self.flush()
            self._transport.write(data)
            return
        if not self._held:
            self._call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._size = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything has been sent."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def with_one_write(protocol: type[Any]) -> type[Any]:
    """``protocol`` (one of uvicorn's) on a OneWrite."""

    class Joined(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.transport = OneWrite(transport)

    return Joined
