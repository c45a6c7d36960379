"""Programs that tests start and read. ``start`` forks them; ``start_alone`` starts Python anew, where tests
look at what is imported or at memory.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.forks.client import Child, ForkServer
from tests.servers import forks_of_run
from tests.stack import CHECKOUT, until

SECONDS: Final = 60.0


@dataclass(frozen=True)
class Program:
    """One that was started; ``said`` and ``errors`` are the files of its output."""

    child: Child | subprocess.Popen[bytes]
    said: Path
    errors: Path

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Unless it has ended."""
        self.child.send_signal(number)

    def printed(self) -> str:
        """Its output so far."""
        return self.said.read_text() if self.said.exists() else ""

    def address(self) -> str:
        """`host:port` of its line that says where it listens, once that is there."""

        def ready() -> str:
            assert self.child.poll() is None, f"it ended: {self.child.poll()} {self.errors.read_text()}"
            return self.printed().partition(" listening on ")[2].partition("\n")[0]

        return until("it listens", ready)

    def ended(self) -> int:
        """How it has ended by itself."""
        return self.child.wait(SECONDS)

    def end(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
        self.child.wait(SECONDS)


class _Forks:
    """The fork server of one run, with a folder for its output. It is started when the first process is
    requested.
    """

    def __init__(self, run_folder: Path, printed: Path) -> None:
        self._run_folder, self._printed = run_folder, printed
        self._server: ForkServer | None = None
        self._numbers = itertools.count()

    def start(self, argv: Sequence[str], env: Mapping[str, str], errors: Path | None) -> Program:
        if self._server is None:
            self._server = forks_of_run(self._run_folder)
        said = self._printed / f"{next(self._numbers)}.out"
        errors = errors or said.with_suffix(".err")
        errors.write_bytes(b"")
        return Program(self._server.start_program(argv, env, said, errors), said, errors)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


_forks: Final[list[_Forks]] = []


@contextmanager
def forking(run_folder: Path, printed: Path) -> Iterator[None]:
    """Inside the block ``start`` works. At its end all processes started by it are ended."""
    _forks.append(_Forks(run_folder, printed))
    try:
        yield
    finally:
        _forks.pop().close()


def start(argv: Sequence[str], env: Mapping[str, str], errors: Path | None = None) -> Program:
    """Run ``python -m ARGV`` in this environment as a fork. ``errors``: where its errors go."""
    return _forks[-1].start(argv, env, errors)


def run(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """``start`` a program that ends by itself, and wait for that."""
    ran = start(argv, env)
    return subprocess.CompletedProcess([*argv], ran.ended(), ran.said.read_text(), ran.errors.read_text())


def start_alone(argv: Sequence[str], env: Mapping[str, str], errors: Path) -> Program:
    """The same as a process that has imported nothing."""
    said = errors.with_suffix(".out")
    with errors.open("wb") as problems, said.open("wb") as output:
        command = [sys.executable, "-m", *argv]
        child = subprocess.Popen(command, cwd=CHECKOUT, env=dict(env), stdout=output, stderr=problems)
    return Program(child, said, errors)
