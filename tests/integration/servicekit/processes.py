"""Starts ``server_process.py`` and sees to its end.

They are forks (``tests.forks``), because importing what they need is most of a start, but for those at whose
imports or memory a test looks.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from tests.forks.client import Child, ForkServer
from tests.integration.servicekit.echo import INTERNAL_SECRET, SECRET
from tests.servers import forks_of_run
from tests.stack import until

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "tests.integration.servicekit.server_process"
SECONDS = 60


class Forks:
    """Of one run, with a folder for what they print; connected when the first is wanted."""

    def __init__(self, run_folder: Path, printed: Path) -> None:
        self._run_folder, self._printed = run_folder, printed
        self._server: ForkServer | None = None
        self._numbers = itertools.count()

    def start(self, env: dict[str, str], errors: Path | None = None) -> tuple[Child, Path, Path]:
        """A server, and where it prints what it says and its errors."""
        if self._server is None:
            self._server = forks_of_run(self._run_folder)
        said = self._printed / f"{next(self._numbers)}.out"
        errors = errors or said.with_suffix(".err")
        errors.write_bytes(b"")
        return self._server.start_program(PROGRAM, env, said, errors), said, errors

    def close(self) -> None:
        """End them all."""
        if self._server is not None:
            self._server.close()


_forks: Final[list[Forks]] = []


@contextmanager
def forking(run_folder: Path, printed: Path) -> Iterator[None]:
    """Servers of this process are forks of the run's server."""
    _forks.append(Forks(run_folder, printed))
    try:
        yield
    finally:
        _forks.pop().close()


def environ(**changes: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "OTEL_"))
    }
    given = {"STRONGROOM_JWT_SECRET": SECRET, "STRONGROOM_INTERNAL_SECRET": INTERNAL_SECRET}
    path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in {**kept, **path, **given, **changes}.items() if value}


def finished(**changes: str) -> subprocess.CompletedProcess[str]:
    """A process that ends by itself."""
    child, said, errors = _forks[-1].start(environ(**changes))
    code = child.wait(SECONDS)
    return subprocess.CompletedProcess(PROGRAM, code, said.read_text(), errors.read_text())


class ServerProcess:
    """A started server; ``address`` is read from its ready line."""

    def __init__(self, stderr: Path, **changes: str) -> None:
        self.stderr = stderr
        self._child, self._said = self._start(environ(**changes))
        self.pid = self._child.pid
        until("it listens", lambda: self._child.poll() is not None or " listening on " in self._text())
        ready = [line for line in self.lines if " listening on " in line]
        assert ready, f"it ended: {self._child.poll()} {stderr.read_text()}"
        self.address = ready[0].split(" listening on ")[1].strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
        self._child.wait(SECONDS)

    @property
    def lines(self) -> list[str]:
        """What it has printed so far."""
        return self._text().splitlines()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._child.send_signal(number)

    def ended(self) -> int:
        """The exit code."""
        return self._child.wait(SECONDS)

    def _text(self) -> str:
        return self._said.read_text() if self._said.exists() else ""

    def _start(self, env: dict[str, str]) -> tuple[Child | subprocess.Popen[bytes], Path]:
        child, said, _ = _forks[-1].start(env, self.stderr)
        return child, said


class LoneProcess(ServerProcess):
    """One that is no fork."""

    def _start(self, env: dict[str, str]) -> tuple[Child | subprocess.Popen[bytes], Path]:
        said = self.stderr.with_suffix(".out")
        with self.stderr.open("wb") as errors, said.open("wb") as output:
            command = [sys.executable, "-m", PROGRAM]
            return subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=errors), said
