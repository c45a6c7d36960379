"""Whether an earlier Postgres still holds a cluster, and when its lock file may go.

Postgres itself refuses to start while `postmaster.pid` names a live process, even one that merely got the pid
later (after a reboot, or an unreaped zombie in a container). Removing the file while a process of the cluster
lives would let two servers write the same files, so it goes only when its pid is not this cluster's server
and nobody works there. A file whose process is gone stays: Postgres then checks by itself that no backend is
left.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from devstack.errors import DevstackError
from devstack.leftovers import start_mark

_PATIENCE_SECONDS = 30.0
_QUIT_AFTER_SECONDS = 10.0


def clear_the_way(cluster: Path) -> None:
    """Wait for an earlier server to be gone, then see to its lock file. Raises DevstackError after 30 s."""
    began = time.monotonic()
    while workers := _alive_in(cluster):
        waited = time.monotonic() - began
        if waited > _PATIENCE_SECONDS:
            raise DevstackError(
                f"Postgres processes {workers} still work in {cluster}: end them, then start again"
            )
        if waited > _QUIT_AFTER_SECONDS:
            _quit(workers)
        time.sleep(0.1)
    lock = cluster / "postmaster.pid"
    if (pid := _locked_by(lock)) is not None and _exists(pid):
        lock.unlink(missing_ok=True)


def _alive_in(cluster: Path) -> list[int]:
    pid = _locked_by(cluster / "postmaster.pid")
    holders = [pid] if pid is not None and _is_server_of(pid, cluster) else []
    return sorted({*holders, *_working_in(cluster)})


def _locked_by(lock: Path) -> int | None:
    if not lock.exists():
        return None
    first = lock.read_text().partition("\n")[0].strip()
    return int(first) if first.isdecimal() else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_server_of(pid: int, cluster: Path) -> bool:
    """The server keeps its command line, `postgres -D CLUSTER …`; a zombie has none."""
    if start_mark(pid) is None:
        return False
    if sys.platform != "linux":
        return True
    try:
        return str(cluster).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False  # it ended meanwhile


def _working_in(cluster: Path) -> list[int]:
    """Processes whose working directory is the cluster's folder, as that of every Postgres process is."""
    found = []
    for process in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        try:
            if (process / "cwd").readlink() == cluster:
                found.append(int(process.name))
        except OSError:
            continue  # it ended, or belongs to another user
    return found


def _quit(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGQUIT)  # immediate shutdown: the next start recovers from the log
        except ProcessLookupError:
            continue  # it ended meanwhile
