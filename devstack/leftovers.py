"""Records supervised processes, and stops those that a dead supervisor left running.

A pid may have been reused, so each is recorded with its start time, and a process is stopped only if that
matches.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devstack.stackfile import write_private_json


@dataclass(frozen=True)
class Recorded:
    """A recorded process: name, pid, start mark, and the signal that stops it."""

    name: str
    pid: int
    started: str
    stop_signal: int


def start_mark(pid: int) -> str | None:
    """A text that distinguishes this process from any other with the same pid; None if it is gone or a
    zombie.
    """
    if sys.platform != "linux":
        return _start_mark_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rsplit(")", 1)[1].split()  # proc(5): state is field 3, start time field 22
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _start_mark_by_ps(pid: int) -> str | None:
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    fields = shown.stdout.strip()
    return None if not fields or fields.startswith("Z") else fields.split(None, 1)[1]


def record(path: Path, processes: Iterable[tuple[str, int, int]]) -> None:
    """Record (name, pid, stop signal) of the running processes."""
    rows = [(name, pid, start_mark(pid), number) for name, pid, number in processes]
    write_private_json(path, [row for row in rows if row[2] is not None])


def read(path: Path) -> list[Recorded]:
    """The recorded processes that are still alive."""
    if not path.exists():
        return []
    rows = [Recorded(*row) for row in json.loads(path.read_text())]
    return [row for row in rows if start_mark(row.pid) == row.started]


def stop(path: Path, seconds: float = 20.0) -> list[str]:
    """Stop the processes that an earlier supervisor left, last started first; SIGKILL after `seconds`.
    Returns their names.
    """
    left = read(path)
    for row in reversed(left):
        _signal(row, row.stop_signal)
    deadline = time.monotonic() + seconds
    while any(_same(row) for row in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    for row in left:
        if _same(row):
            _signal(row, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return [row.name for row in left]


def _same(row: Recorded) -> bool:
    return start_mark(row.pid) == row.started


def _signal(row: Recorded, number: int) -> None:
    try:
        os.kill(row.pid, number)
    except ProcessLookupError:
        return  # it ended meanwhile
