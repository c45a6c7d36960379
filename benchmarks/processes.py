"""CPU time and peak memory of running processes, from /proc (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, its living descendants and those it has waited for."""
    total = 0
    for member in tree(pid):
        try:
            text = Path(f"/proc/{member}/stat").read_text()
        except FileNotFoundError:  # ended since it was listed: its parent has the time
            continue
        # proc_pid_stat(5): utime, stime, cutime, cstime are fields 14 to 17; the name before may hold spaces
        total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return total * _TICK


def peak_mib(pid: int) -> float:
    """Largest resident size (VmHWM) since `forget_peak`, of the process and its descendants together."""
    total = 0
    for member in tree(pid):
        lines = Path(f"/proc/{member}/status").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return total / 1024


def forget_peak(pid: int) -> None:
    """Reset the peak to the current resident size: proc_pid_clear_refs(5), value 5."""
    for member in tree(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")


@dataclass
class Usage:
    """Resources used between two moments, by process name: CPU seconds, and peak MiB."""

    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)


@contextmanager
def watched(processes: Mapping[str, int]) -> Iterator[Usage]:
    """Fills the yielded Usage when the block ends."""
    usage = Usage()
    for pid in processes.values():
        forget_peak(pid)
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    yield usage
    for name, pid in processes.items():
        usage.cpu[name] = cpu_seconds(pid) - before[name]
        usage.peak[name] = peak_mib(pid)
