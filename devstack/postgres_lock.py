"""Waits for an earlier Postgres of a cluster to end, and removes its lock file if that is safe.

Postgres refuses to start while `postmaster.pid` names a live process, even one that got the pid later (after
a reboot, or an unreaped zombie in a container). If the file were removed while a process of the cluster
lives, two servers would write the same files. So it is removed only if no process has the cluster's name. If
its process is gone, the file stays: Postgres then checks by itself that no backend is left.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from devstack.errors import DevstackError

_PATIENCE_SECONDS = 30.0
_QUIT_AFTER_SECONDS = 10.0


def clear_the_way(cluster: Path, mark: str) -> None:
    """Wait until an earlier server is gone, then handle its lock file. Raises DevstackError after 30 s.

    `mark` is the cluster_name setting: the server has it in its arguments, its backends in their titles.
    """
    began = time.monotonic()
    while workers := processes_of(mark):
        waited = time.monotonic() - began
        if waited > _PATIENCE_SECONDS:
            raise DevstackError(
                f"Postgres processes {workers} of an earlier start still work in {cluster}: end them"
            )
        if waited > _QUIT_AFTER_SECONDS:
            _quit(workers)
        time.sleep(0.1)
    lock = cluster / "postmaster.pid"
    if (pid := _locked_by(lock)) is not None and _exists(pid):
        lock.unlink(missing_ok=True)


def processes_of(mark: str) -> list[int]:
    """Pids of processes with the mark in their command line; zombies have none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if mark.encode() in command_line:
            found.append(int(process.name))
    return found


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


def _quit(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGQUIT)  # immediate shutdown: the next start recovers from the log
        except ProcessLookupError:
            continue  # it ended meanwhile
