"""Starts ``server_process.py`` and sees to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.integration.servicekit.echo import INTERNAL_SECRET, SECRET

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests/integration/servicekit/server_process.py"
SECONDS = 60


def environ(**changes: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "OTEL_"))
    }
    given = {"STRONGROOM_JWT_SECRET": SECRET, "STRONGROOM_INTERNAL_SECRET": INTERNAL_SECRET}
    path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in {**kept, **path, **given, **changes}.items() if value}


def finished(**changes: str) -> subprocess.CompletedProcess[str]:
    """A process that ends by itself."""
    command = [sys.executable, str(PROGRAM)]
    return subprocess.run(
        command, env=environ(**changes), capture_output=True, text=True, timeout=SECONDS, check=False
    )


class ServerProcess:
    """A started server; ``address`` is read from its ready line."""

    def __init__(self, stderr: Path, **changes: str) -> None:
        self.stderr = stderr
        with stderr.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM)],
                env=environ(**changes),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if " listening on " in line:
                self.address = line.split(" listening on ")[1].strip()
                return
        raise AssertionError(f"it ended: {self.process.wait(SECONDS)} {stderr.read_text()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit code; reads the rest of stdout into ``lines``."""
        out, _ = self.process.communicate(timeout=SECONDS)
        self.lines += out.splitlines()
        return self.process.returncode
