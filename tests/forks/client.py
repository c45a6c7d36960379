"""Has processes started by the run's fork server (``tests.forks.server``)."""

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
"""The FIFO in the folder of a run that somebody holds open for as long as the run goes on."""


class Child:
    """A forked process. ``code`` is None while it lives, afterwards as ``subprocess.Popen.returncode``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        """``code``."""
        return self.code

    def send_signal(self, number: signal.Signals) -> None:
        """Unless it has ended."""
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Until it has ended; how it did."""
        until(f"process {self.pid} ends", lambda: self.code is not None, seconds, pause=0.005)
        assert self.code is not None
        return self.code

    def end(self) -> None:
        """SIGKILL: also ends what SIGSTOP has frozen, and is one crash more that must do no harm."""
        self.send_signal(signal.SIGKILL)
        self.wait()


class ForkServer:
    """One test process's connection to it. ``close``: what it has forked for this one dies."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._born: list[Child] = []
        #: By pid, which is given again to another process once one has ended.
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

        ``constants``: sizes that no setting changes, ``{"package.module:NAME": value}``, where the point of a
        test is what happens at a bound and not how far away it is. ``clock``: by how many seconds its wall
        clock is ahead.
        """
        return self._order(
            argv=[module, "serve"],
            env=dict(env),
            log=str(log),
            constants=dict(constants or {}),
            clock=clock,
        )

    def start_program(self, module: str, env: Mapping[str, str], log: Path, errors: Path) -> Child:
        """Run ``python -m MODULE`` in this environment, its output and errors appended to files."""
        return self._order(argv=[module], env=dict(env), log=str(log), errors=str(errors))

    def start_stack(
        self, env: Mapping[str, str], log: Path, argv: Sequence[str] = ("devstack", "up")
    ) -> Child:
        """Run ``python -m devstack up``, or a program like it; the services that it starts are forked, too,
        and its children.
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
    """To the server of the run with this folder, started where nobody has: the caller holds a lock."""
    path = folder / _SOCKET
    if not path.exists():
        _start(folder, path)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return ForkServer(connection)


def _start(folder: Path, path: Path) -> None:
    """It outlives this process, and ends with the run."""
    command = [sys.executable, "-m", "tests.forks.server", str(path), str(folder / LIFELINE)]
    with (folder / "forks.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def listens() -> bool:
        assert server.poll() is None, (folder / "forks.log").read_text()
        return path.exists()

    until("the fork server listens", listens)
    server.returncode = 0  # the run's now, and not this process's to wait for
