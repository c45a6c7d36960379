"""Ports that this process reserves from other stacks of the machine, until it ends.

A chosen port is free until its server listens, seconds later; another stack that starts in between would
choose it as well. On Linux a reservation is the name of an abstract Unix socket: held by one process at a
time, released however it ends, visible to all users, and in the same network namespace as the ports.
Elsewhere it is a locked file.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_held: dict[int, tuple[str, int]] = {}
"""By port: its owner, and the descriptor that holds it. The kernel closes it; no finalizer is needed."""


def reserve(port: int, owner: str) -> bool:
    """Reserve the port for ``owner``, a name unique within this process. Returns False if another process or
    owner has it.
    """
    if port in _held:
        return _held[port][0] == owner
    held = _abstract_socket(port) if sys.platform == "linux" else _locked_file(port)
    if held is None:
        return False
    _held[port] = (owner, held)
    return True


def is_ours(port: int) -> bool:
    """Whether this process has reserved the port."""
    return port in _held


def release(port: int) -> None:
    """Give up the reservation."""
    os.close(_held.pop(port)[1])


def _abstract_socket(port: int) -> int | None:
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0strongroom-devstack-port-{port}")
    except OSError:
        name.close()
        return None
    return name.detach()


def _locked_file(port: int) -> int | None:
    folder = Path(tempfile.gettempdir()) / "strongroom-devstack-ports"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    file = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
