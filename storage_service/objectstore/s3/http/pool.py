"""Keep-alive connections to one endpoint, shared by threads and the event loop.

The last used is used next, so idle ones age out.
"""

from __future__ import annotations

import ssl
import threading
import time

from storage_service.objectstore.s3.http.connection import Connection, Timeouts
from storage_service.objectstore.s3.options import Endpoint

MAX_IDLE_SECONDS = 15.0
"""Shorter than the 20 s after which AWS closes idle connections."""


class ConnectionPool:
    """Hands out a connection to one user at a time.

    Only threads open new ones, so that the number in use is bounded by theirs and by what may be idle.
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
        """Whether the connections speak TLS."""
        return self._context is not None

    def take(self) -> Connection:
        """An idle connection that still stands, or a new one. Raises ConnectFailed, TimedOut."""
        return self.take_idle() or Connection.open(self._endpoint, self._context, self._timeouts)

    def take_idle(self) -> Connection | None:
        """An idle connection that still stands, if there is one; does not block."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return None
            if time.monotonic() - connection.idle_since < MAX_IDLE_SECONDS and not connection.is_stale():
                return connection
            connection.close()

    def give_back(self, connection: Connection, *, reusable: bool) -> None:
        """After an exchange.

        ``reusable`` only when its reply was read to the end and may be followed by another.
        """
        if reusable:
            connection.idle_since = time.monotonic()
            with self._lock:
                if not self._closed and len(self._idle) < self._max_idle:
                    self._idle.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        """Close what is idle; connections in use are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def tls_context(*, verify: bool, ca_bundle: str | None) -> ssl.SSLContext:
    """TLS as a client, against the system's or the given authorities.

    ``verify`` False accepts any certificate.
    """
    context = ssl.create_default_context(cafile=ca_bundle)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
