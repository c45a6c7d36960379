"""Keep-alive connections to one endpoint, shared by threads and the event loop.

The most recently used one is used next, so that surplus ones expire.
"""

from __future__ import annotations

import ssl
import threading
import time

from storage_service.objectstore.s3.http.connection import Connection, Timeouts
from storage_service.objectstore.s3.options import Endpoint

MAX_IDLE_SECONDS = 15.0
"""Less than the 20 s after which AWS closes idle connections."""


class ConnectionPool:
    """Lends each connection to one user at a time.

    Only threads open new ones, so the number in use is bounded by the number of threads plus that of idle
    connections.
    """

    def __init__(
        self, endpoint: Endpoint, context: ssl.SSLContext | None, timeouts: Timeouts, max_idle: int
    ) -> None:
        self._endpoint = endpoint
        self._context = context
        self._timeouts = timeouts
        self._max_idle = max_idle
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def secure(self) -> bool:
        """Whether the connections use TLS."""
        return self._context is not None

    def take(self) -> Connection:
        """Return an idle connection that is still open, or a new one. Raises ConnectFailed, TimedOut."""
        return self.take_idle() or Connection.open(self._endpoint, self._context, self._timeouts)

    def take_idle(self) -> Connection | None:
        """Return an idle connection that is still open, or None. Doesn't block."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return None
            if time.monotonic() - connection.idle_since < MAX_IDLE_SECONDS and not connection.is_stale():
                return connection
            connection.close()

    def give_back(self, connection: Connection, *, reusable: bool) -> None:
        """Return a connection after an exchange.

        ``reusable``: only if its reply was read to the end and another request may follow.
        """
        if reusable:
            connection.idle_since = time.monotonic()
            with self._lock:
                if not self._closed and len(self._idle) < self._max_idle:
                    self._idle.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        """Close idle connections. Those in use are closed when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def tls_context(*, verify: bool, ca_bundle: str | None) -> ssl.SSLContext:
    """Return a context for TLS clients with the system's or the given certificate authorities.

    ``verify`` False accepts any certificate.
    """
    context = ssl.create_default_context(cafile=ca_bundle)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
