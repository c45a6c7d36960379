"""Who has how many connections. When there are too many, idle ones go first, and first those of the address
that has the most: whoever opens thousands and says nothing keeps nobody else out.

A connection is idle while no request of its is in progress: before its first one, and between two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.metrics import Metrics
from servicekit.limits.addresses import Network, client_key, is_in

_LIMITED: Final = "Too many connections from this address; close some, or try again."


class ConnectionTable:
    """``most``: connections in all; ``per_address``: of one address that is no trusted proxy (0: any)."""

    def __init__(self, most: int, per_address: int, trusted: Sequence[Network], metrics: Metrics) -> None:
        self._most = most
        self._per_address = per_address
        self._trusted = trusted
        self._metrics = metrics
        self._by_address: dict[str, dict[Any, None]] = {}
        self._count = 0

    def enter(self, connection: Any, peer: str) -> bool:
        """Take ``connection`` in, making room where that is needed; False: its address has too many that are
        all at work.
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
        """Forget ``connection``; once or more often."""
        own = self._by_address.get(connection.address_key, {})
        if connection in own:
            del own[connection]
            self._count -= 1
            if not own:
                self._by_address.pop(connection.address_key, None)

    def _evict(self, connections: Iterable[Any]) -> bool:
        """Close the oldest idle one; False when all are at work."""
        for connection in connections:
            if connection.is_idle():
                self._metrics.cut_off.labels("idle").inc()
                self.leave(connection)
                connection.connections.discard(connection)
                connection.transport.close()
                return True
        return False


def with_table(protocol: type[Any], table: ConnectionTable) -> type[Any]:
    """``protocol`` (a GuardedProtocol) whose connections are all in ``table``."""

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
            table.leave(self)  # another protocol has the connection now, and the user's watches are counted
            super().handle_websocket_upgrade()

    return Counted
