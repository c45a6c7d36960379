"""Starts, watches and ends a stack of stand-ins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from devstack.leftovers import start_mark
from tests.forks.client import ForkServer

CHECKOUT = Path(__file__).resolve().parents[3]
STANDINS = ("tests.integration.devstack.run_with_standins",)
REAL = ("devstack", "up")
PATIENCE = 90.0


class Process(Protocol):
    """The process of an `up`: a `subprocess.Popen`, or an equivalent."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def send_signal(self, number: signal.Signals, /) -> None: ...

    def wait(self, seconds: float = PATIENCE, /) -> int: ...


def until(what: str, holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until `holds()` is true, and return its value; fails with `what` otherwise."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {what}"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    return start_mark(pid) is not None


class RunningStack:
    """One `up` in a process of its own; `output` has what it prints.

    `command`: the stack of stand-ins, or `REAL` for the one that `make up` runs. With `forks` it is a fork of
    a process that has imported the necessary modules, and so are the services that it starts.
    """

    def __init__(
        self,
        folder: Path,
        command: tuple[str, ...] = STANDINS,
        forks: ForkServer | None = None,
        **environ: str,
    ) -> None:
        self.data_dir = folder / "data"
        self.notes = folder / "notes"
        self.notes.mkdir(exist_ok=True)
        self.printed = folder / "printed.txt"
        caller = {
            key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "STRONGROOM_"))
        }
        ports = {f"STRONGROOM_{name}_PORT": "0" for name in ("HTTP", "STORAGE", "METADATA")}
        places = {"STRONGROOM_DATA_DIR": str(self.data_dir), "STANDIN_DIR": str(self.notes)}
        form = {"STRONGROOM_FORM": "three"}  # the stand-ins are three programs
        env = caller | ports | places | form | {"PYTHONPATH": str(CHECKOUT)} | environ
        self.process: Process
        self.printed.write_bytes(b"")
        if forks is not None:
            self.process = forks.start_stack(env, self.printed, command)
            return
        with self.printed.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], env=env, cwd=CHECKOUT, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.printed.read_text()

    def wait_up(self) -> dict[str, Any]:
        """Wait for stack.json, and return its content."""

        def stack() -> dict[str, Any] | None:
            assert self.process.poll() is None, f"the stack ended:\n{self.output}"
            try:
                # The file of a killed supervisor stays until the next one has started.
                return self.stack() if all(alive(pid) for pid in self.pids()) else None
            except FileNotFoundError:
                return None

        found: dict[str, Any] = until("stack.json is written", stack)
        return found

    def stack(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return content

    def pids(self) -> list[int]:
        """All processes of the stack except the supervisor."""
        stack = self.stack()
        services = [stack[name]["pid"] for name in ("gateway", "storage", "metadata", "postgres")]
        return [pid for pid in [*services, *stack["s3"]["pids"]] if pid]

    def starts(self, role: str) -> list[dict[str, str]]:
        """The environment of each start of a stand-in."""
        path = self.notes / f"{role}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal the supervisor, wait, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def wait_failed(self) -> str:
        """Wait for the supervisor to give up, and return what it printed."""
        assert self.process.wait(PATIENCE) == 1, self.output
        return self.output
