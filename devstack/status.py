"""`python -m devstack status` and `down`: show or stop a stack that another terminal started."""

from __future__ import annotations

import os
import signal
import time

from devstack import leftovers
from devstack.datadir import DataDir
from devstack.errors import DevstackError
from devstack.supervisor import Report

_STOP_SECONDS = 180.0


def status(data: DataDir, report: Report) -> bool:
    """Print a line for each process. Returns whether the stack is up and healthy."""
    supervisor = data.supervisor_pid()
    if supervisor is None:
        report("devstack", f"nothing runs on {data.root}")
        return False
    report("devstack", f"running  pid {supervisor}")
    for child in leftovers.read(data.children):
        report(child.name, f"running  pid {child.pid}")
    up = data.stack.exists() or data.infra.exists()
    report("devstack", f"healthy; see {data.stack}" if up else "not healthy (yet)")
    return up


def down(data: DataDir, report: Report) -> None:
    """Stop the stack of this data directory, or what a killed one left. Raises DevstackError after 180 s."""
    supervisor = data.supervisor_pid()
    if supervisor is None:
        left = leftovers.stop(data.children)
        report("devstack", f"stopped {', '.join(left)}" if left else f"nothing runs on {data.root}")
        return
    os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while data.supervisor_pid() == supervisor:
        if time.monotonic() > deadline:
            raise DevstackError(
                f"the supervisor (pid {supervisor}) has not stopped after {_STOP_SECONDS:.0f} s"
            )
        time.sleep(0.1)
    report("devstack", "stopped")
