"""Ports that this process keeps from other stacks of the machine, from the choice until it ends.

A port that is chosen is free until its server listens, seconds later; another stack that starts in the
meantime would choose it as well. On Linux a reservation is the name of an abstract Unix socket: taken by one
process at a time, gone with it however it ends, seen by all users, and of one network namespace as the ports
are. Elsewhere it is a locked file.
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
"""By port: for whom, and the descriptor that holds it: the kernel closes it, no finalizer at the end."""


def reserve(port: int, owner: str) -> bool:
    """Keep the port for ``owner``, unique within this process; False when somebody else has it."""
    if port in _held:
        return _held[port][0] == owner
    held = _abstract_socket(port) if sys.platform == "linux" else _locked_file(port)
    if held is None:
        return False
    _held[port] = (owner, held)
    return True


def is_ours(port: int) -> bool:
    """Whether this process keeps it, for whomever."""
    return port in _held


def release(port: int) -> None:
    """Let others have it."""
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
