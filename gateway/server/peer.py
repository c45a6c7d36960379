"""Whether a peer has left while we were not reading its connection.

While storage_service takes no more, reading is paused, and the end of the connection waits unread behind
megabytes of body. The kernel knows: a reset connection is CLOSED; a closed one is in CLOSE_WAIT, and when the
bytes it still holds can't complete the body, the request is lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Final

_CLOSED: Final = 7  # TCP_CLOSE of linux/tcp_states.h
_CLOSE_WAIT: Final = 8


def has_left(transport: asyncio.Transport, missing: int | None) -> bool:
    """True when the peer can't complete its request any more. ``missing``: bytes of the body not read yet;
    None: unknown.

    Linux only; elsewhere False: the end is noticed when reading goes on.
    """
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return False
    try:
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != _CLOSE_WAIT or missing is None:
            return state == _CLOSED
        (unread,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0" * 4))
    except OSError:
        return False
    return int(unread) < missing
