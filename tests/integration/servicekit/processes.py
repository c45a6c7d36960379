"""Starts ``server_process.py`` and ends it; processes are forks, except ``LoneProcess``."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final, Self

from tests.forks import programs
from tests.integration.servicekit.echo import INTERNAL_SECRET, SECRET
from tests.stack import CHECKOUT

PROGRAM: Final = ("tests.integration.servicekit.server_process",)


def environ(**changes: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "OTEL_"))
    }
    given = {"STRONGROOM_JWT_SECRET": SECRET, "STRONGROOM_INTERNAL_SECRET": INTERNAL_SECRET}
    path = {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in {**kept, **path, **given, **changes}.items() if value}


def finished(**changes: str) -> subprocess.CompletedProcess[str]:
    """A process that ends by itself."""
    return programs.run(PROGRAM, environ(**changes))


class ServerProcess:
    """A started server. ``address`` comes from its ready line."""

    def __init__(self, stderr: Path, **changes: str) -> None:
        self._program = self._start(stderr, environ(**changes))
        self.pid = self._program.pid
        self.address = self._program.address()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.end()

    @property
    def lines(self) -> list[str]:
        """The lines printed so far."""
        return self._program.said.read_text().splitlines()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._program.send_signal(number)

    def ended(self) -> int:
        """The exit code."""
        return self._program.ended()

    def _start(self, stderr: Path, env: dict[str, str]) -> programs.Program:
        return programs.start(PROGRAM, env, stderr)


class LoneProcess(ServerProcess):
    """A process that is not a fork."""

    def _start(self, stderr: Path, env: dict[str, str]) -> programs.Program:
        return programs.start_alone(PROGRAM, env, stderr)
