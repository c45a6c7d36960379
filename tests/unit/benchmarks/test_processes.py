"""Figures read from /proc."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks import processes

#: On each line it reads, it burns 0.3 s of CPU time and touches 64 MiB, in a child of its own when told so.
_WORKER = """
import subprocess, sys, time
work = "import time\\nx = bytearray(64 << 20)\\nwhile time.process_time() < {}: pass"
for line in sys.stdin:
    if line == "child\\n":
        subprocess.run([sys.executable, "-c", work.format(0.3)], check=True)
    else:
        exec(work.format(time.process_time() + 0.3))
        del x
    print("done", flush=True)
"""


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def ask(worker: subprocess.Popen[str], text: str) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{text}\n")
    worker.stdin.flush()
    assert worker.stdout.readline() == "done\n"


@pytest.mark.parametrize("where", ["self", "child"])
def test_cpu_time_counts_ended_children_too(worker: subprocess.Popen[str], where: str) -> None:
    ask(worker, "self")
    before = processes.cpu_seconds(worker.pid)
    ask(worker, where)
    assert processes.cpu_seconds(worker.pid) - before >= 0.25


def test_the_peak_begins_anew(worker: subprocess.Popen[str]) -> None:
    ask(worker, "self")
    with processes.watched({"worker": worker.pid}) as idle:
        pass
    with processes.watched({"worker": worker.pid}) as busy:
        ask(worker, "self")
    assert busy.peak["worker"] - idle.peak["worker"] > 60
    assert busy.cpu["worker"] >= 0.25
    assert idle.cpu["worker"] < 0.25
