"""TCP ports: chooses free ones and keeps them, explains taken ones."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

from devstack import reservations
from devstack.errors import PortTakenError
from devstack.stackfile import write_private_json

HOST = "127.0.0.1"
# Below the range from which Linux and macOS take local ports of outgoing connections, which could occupy a
# chosen port at any moment.
_CHOICE = range(20000, 32000)


def is_free(port: int) -> bool:
    """Whether a listener could bind the port on loopback now (connections in TIME_WAIT do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def require_free(port: int, owner: str, variable: str) -> None:
    """Reserve the port for this process.

    Raises PortTakenError, with port, holder and the variable to set, unless the port is free.
    """
    if not reservations.is_ours(port) and not reservations.reserve(port, owner):
        raise PortTakenError(
            f"port {port}, wanted for {owner}, is kept by another stack{holder_of(port)}: "
            f"stop that stack, or set {variable} to a free port"
        )
    if not is_free(port):
        raise PortTakenError(
            f"port {port}, wanted for {owner}, is taken{holder_of(port)}: "
            f"stop that process, or set {variable} to a free port"
        )


def is_held_by(port: int, pid: int) -> bool:
    """Whether this process or one of its children (`--workers`) listens on the port; True if that can't be
    found out (not on Linux).
    """
    inodes = _listening_inodes(port)
    process = Path("/proc") / str(pid)
    if not inodes or not os.access(process / "fd", os.R_OK | os.X_OK):
        return True
    return any(_open_files(one) & inodes for one in (process, *_started_by(process)))


def _started_by(process: Path) -> Iterator[Path]:
    for children in process.glob("task/*/children"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            yield from (process.parent / pid for pid in children.read_text().split())


def holder_of(port: int) -> str:
    """` by NAME (pid N)` when the listener can be found (Linux, own or as root)."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if _open_files(process) & inodes:
            with contextlib.suppress(OSError):  # it ended meanwhile
                return f" by {(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _open_files(process: Path) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):  # it ended, or belongs to another user
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(descriptor.readlink().name)
    return found


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:  # 0A: TCP_LISTEN
                inodes.add(f"socket:[{fields[9]}]")
    return inodes


class KeptPorts:
    """Ports by name, stored in a JSON file. A port that was taken meanwhile is replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str) -> int:
        """The port of this name: the stored one if free, else a new one, which is stored at once.

        No other stack takes it while this process lives.
        """
        kept = self._kept.get(name)
        if kept is None or not self._take(kept):
            self.change(name)
        return self._kept[name]

    def change(self, name: str) -> None:
        """Choose another free port for this name."""
        for port in random.sample(_CHOICE, 200):
            if port not in self._kept.values() and self._take(port):
                self._kept[name] = port
                write_private_json(self._path, self._kept)
                return
        raise PortTakenError(f"no free port between {_CHOICE.start} and {_CHOICE.stop} was found for {name}")

    def _take(self, port: int) -> bool:
        """Reserve the port if it is free."""
        if not reservations.reserve(port, str(self._path.resolve())):
            return False
        if is_free(port):
            return True
        reservations.release(port)
        return False
