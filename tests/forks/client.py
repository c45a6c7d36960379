"""Starts processes with the run's fork server (``tests.forks.server``)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.stack import CHECKOUT, PATIENCE, until

_SOCKET: Final = "forks.sock"
LIFELINE: Final = "lifeline"
"""The FIFO in a run's folder that is held open while the run lasts."""


class Child:
    """A forked process. ``code`` is None while it lives, afterwards like ``subprocess.Popen.returncode``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        """``code``."""
        return self.code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end. Returns its code."""
        until(f"process {self.pid} ends", lambda: self.code is not None, seconds, pause=0.005)
        assert self.code is not None
        return self.code

    def end(self) -> None:
        """Send SIGKILL, which also ends processes frozen by SIGSTOP. It is one more crash that must do no
        harm.
        """
        self.send_signal(signal.SIGKILL)
        self.wait()


class ForkServer:
    """One test process's connection to the server. ``close`` kills the forks made for it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._born: list[Child] = []
        #: By pid, because a pid is reused once its process has ended.
        self._living: dict[int, Child] = {}
        self._reader = threading.Thread(target=self._read, name="forkserver", daemon=True)
        self._reader.start()

    def start(
        self,
        module: str,
        env: Mapping[str, str],
        log: Path,
        constants: Mapping[str, int] | None = None,
        clock: float = 0.0,
    ) -> Child:
        """Run ``python -m MODULE serve`` in this environment, with its output appended to ``log``.

        :param constants: sizes without a setting, ``{"package.module:NAME": value}``, for tests of what
            happens at a bound, not of its value.
        :param clock: seconds by which its wall clock is ahead.
        """
        return self._order(
            argv=[module, "serve"],
            env=dict(env),
            log=str(log),
            constants=dict(constants or {}),
            clock=clock,
        )

    def start_program(self, argv: Sequence[str], env: Mapping[str, str], log: Path, errors: Path) -> Child:
        """Run ``python -m ARGV`` in this environment, with its output and errors appended to files."""
        return self._order(argv=[*argv], env=dict(env), log=str(log), errors=str(errors))

    def start_stack(
        self, env: Mapping[str, str], log: Path, argv: Sequence[str] = ("devstack", "up")
    ) -> Child:
        """Run ``python -m devstack up``, or a program like it. The services it starts are forked, too, as its
        children.
        """
        return self._order(argv=[*argv], env=dict(env), log=str(log), supervises=True)

    def close(self) -> None:
        """End the connection."""
        self._connection.shutdown(socket.SHUT_WR)
        self._reader.join(60)
        self._connection.close()

    def _order(self, **order: Any) -> Child:
        self._connection.sendall(json.dumps(order).encode() + b"\n")
        until("the fork server answers", lambda: self._born or not self._reader.is_alive(), pause=0.005)
        return self._born.pop()

    def _read(self) -> None:
        with self._connection.makefile() as told:
            for line in told:
                self._heard(json.loads(line))

    def _heard(self, told: Mapping[str, int]) -> None:
        if "pid" in told:
            child = self._living[told["pid"]] = Child(told["pid"])
            self._born.append(child)
        else:
            self._living.pop(told["ended"]).code = told["code"]


def connect(folder: Path) -> ForkServer:
    """Connect to the server of the run with this folder, started if necessary: the caller holds a lock."""
    path = folder / _SOCKET
    if not path.exists():
        _start(folder, path)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return ForkServer(connection)


def _start(folder: Path, path: Path) -> None:
    """The server outlives this process, and ends with the run."""
    command = [sys.executable, "-m", "tests.forks.server", str(path), str(folder / LIFELINE)]
    with (folder / "forks.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def listens() -> bool:
        assert server.poll() is None, (folder / "forks.log").read_text()
        return path.exists()

    until("the fork server listens", listens)
    server.returncode = 0  # it belongs to the run; this process need not wait for it
