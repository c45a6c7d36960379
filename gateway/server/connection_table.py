"""Counts connections by client address. If there are too many, idle ones are closed, first those of the
address that has most: a client that opens thousands and sends nothing keeps nobody else out.

A connection is idle while it has no request in progress: before its first one and between two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.metrics import Metrics
from servicekit.limits.addresses import Network, client_key, is_in

_LIMITED: Final = "Too many connections from this address; close some, or try again."


class ConnectionTable:
    """``most``: connections in all; ``per_address``: per address, except trusted proxies (0: no limit)."""

    def __init__(self, most: int, per_address: int, trusted: Sequence[Network], metrics: Metrics) -> None:
        self._most = most
        self._per_address = per_address
        self._trusted = trusted
        self._metrics = metrics
        self._by_address: dict[str, dict[Any, None]] = {}
        self._count = 0

    def enter(self, connection: Any, peer: str) -> bool:
        """Add ``connection``, closing an idle one if necessary. Returns False if its address has too many,
        none of them idle.
        """
        key, trusted = client_key(peer), is_in(peer, self._trusted)
        own = self._by_address.setdefault(key, {})
        fits = trusted or not self._per_address or len(own) < self._per_address or self._evict(own)
        if fits and self._count >= self._most:
            for others in sorted(self._by_address.values(), key=len, reverse=True):
                if self._evict(others):
                    break
        self._by_address.setdefault(key, own)[connection] = None
        connection.address_key = key
        self._count += 1
        return fits

    def leave(self, connection: Any) -> None:
        """Remove ``connection``. May be called more than once."""
        own = self._by_address.get(connection.address_key, {})
        if connection in own:
            del own[connection]
            self._count -= 1
            if not own:
                self._by_address.pop(connection.address_key, None)

    def _evict(self, connections: Iterable[Any]) -> bool:
        """Close the oldest idle connection. Returns False if none is idle."""
        for connection in connections:
            if connection.is_idle():
                self._metrics.cut_off.labels("idle").inc()
                self.leave(connection)
                connection.connections.discard(connection)
                connection.transport.close()
                return True
        return False


def with_table(protocol: type[Any], table: ConnectionTable) -> type[Any]:
    """A subclass of ``protocol`` (a GuardedProtocol) whose connections are registered in ``table``."""

    class Counted(protocol):  # type: ignore[misc]
        address_key = ""

        def is_idle(self) -> bool:
            return bool(self._between_requests()) and not self.transport.is_closing()

        def connection_made(self, transport: asyncio.Transport) -> None:
            peer = transport.get_extra_info("peername")
            fits = table.enter(self, peer[0] if isinstance(peer, tuple) else "local")
            super().connection_made(transport)
            if not fits and not self.transport.is_closing():
                self._cut("address", 429, "RATE_LIMITED", _LIMITED, retry_after=1)

        def connection_lost(self, exc: Exception | None) -> None:
            table.leave(self)
            super().connection_lost(exc)

        def handle_websocket_upgrade(self) -> None:
            table.leave(self)  # another protocol takes the connection over; watches are counted per user
            super().handle_websocket_upgrade()

    return Counted
