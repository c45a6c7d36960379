"""A forked ``devstack up`` whose supervisor has its services forked, too.

The supervisor has gRPC's threads once it has asked whether a service is ready, and must not fork after that.
So it first forks a nursery, which stays as warm and thread-free as the server was. The nursery's forks become
the supervisor's own children: their intermediate parent ends at once, and the supervisor adopts orphans at
that moment (PR_SET_CHILD_SUBREAPER, prctl(2)).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from devstack import supervisor
from devstack.command import Command, spawn
from tests.forks.becoming import Order, become

ENVIRON: Final = ".environ"
"""Suffix of the file beside a service's log with its environment: /proc has the fork server's."""
_PR_SET_CHILD_SUBREAPER: Final = 36
#: Programs that are forked: the server has imported what they need.
_WARM: Final = frozenset(
    {
        *("metadata_service", "storage_service", "gateway", "strongroom_server"),
        "tests.integration.devstack.standin",
    }
)


class Forked:
    """The parts of ``subprocess.Popen`` that the supervisor uses: a child of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while the process lives."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


def prepare(order: Order) -> None:
    """If the order is a stack, let its supervisor fork."""
    if not order.supervises:
        return
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        _Nursery(theirs, os.getppid()).run()
    theirs.close()
    lines = ours.makefile()

    def born(command: Command, *, first: bool = True) -> subprocess.Popen[bytes]:
        interpreter, _, module, *_ = (*command.argv, "", "")
        if interpreter != sys.executable or module not in _WARM:
            return spawn(command, first=first)
        env = {**command.env, **(command.first_env if first else {})}
        wanted = Order(command.argv[2:], env, str(command.log), orphaned=int(command.orphan_signal))
        _here_for_orphans(yes=True)
        ours.sendall(json.dumps(asdict(wanted)).encode() + b"\n")
        pid = int(lines.readline())
        _here_for_orphans(yes=False)
        return cast("subprocess.Popen[bytes]", Forked(pid))

    vars(supervisor)["spawn"] = born


class _Nursery:
    """Forks on behalf of its parent, and ends with it."""

    def __init__(self, orders: socket.socket, supervisor_pid: int) -> None:
        self._orders, self._supervisor = orders, supervisor_pid

    def run(self) -> NoReturn:
        """Run until the supervisor disconnects."""
        for line in self._orders.makefile():
            between = os.fork()
            if between == 0:
                if os.fork() == 0:
                    self._bear(json.loads(line))
                os._exit(0)
            os.waitpid(between, 0)
        os._exit(0)

    def _bear(self, order: dict[str, Any]) -> NoReturn:
        while (parent := os.getppid()) != self._supervisor:
            if parent == 1:
                os._exit(1)  # the supervisor has died meanwhile
            time.sleep(0.001)
        Path(order["log"]).with_suffix(ENVIRON).write_text(json.dumps(order["env"]))
        self._orders.sendall(f"{os.getpid()}\n".encode())
        become(Order(**order), self._supervisor, lambda _: None)


def _here_for_orphans(*, yes: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)
