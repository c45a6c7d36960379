"""A free TCP port on loopback, for servers that need a port in advance."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
