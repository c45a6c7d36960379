"""Starts, watches, restarts and stops the processes of the stack; prints one line per event."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack import leftovers, ports
from devstack.command import Command, Hook, Service, log_tail, nothing, spawn
from devstack.errors import DevstackError, StartFailedError
from devstack.interrupts import Interrupts

_TICK_SECONDS = 0.1
_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 10.0
_STEADY_SECONDS = 30.0
#: After this time a line says which process the start waits for; it is repeated now and then.
_SLOW_SECONDS = 10.0
_SLOW_AGAIN_SECONDS = 30.0

#: A process that ends this often in a row before it is ready is not started again.
MOST_FAILURES = 6

Report = Callable[[str, str], None]


@dataclass
class _Running:
    """A supervised process. `due`: when it is started again after a crash. `ready`: its probe has
    succeeded.
    """

    service: Service
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)
    ready: bool = False
    due: float | None = None
    delay: float = _FIRST_DELAY_SECONDS
    failures: int = 0


class Supervisor:
    """Keeps services running. `report(title, text)` prints a line; `changed()` is called after each change of
    a pid.
    """

    def __init__(self, interrupts: Interrupts, report: Report, children_file: Path) -> None:
        self._interrupts = interrupts
        self._report = report
        self._children_file = children_file
        self._running: dict[str, _Running] = {}
        self.changed: Hook = nothing

    def pid(self, name: str) -> int:
        """The current pid of the process."""
        return self._running[name].process.pid

    def start(self, services: Sequence[Service]) -> None:
        """Start the processes without waiting for them."""
        for service in services:
            service.before_start()
            self._running[service.name] = _Running(service, spawn(service.command))
            self._record()

    def wait_ready(self, services: Sequence[Service]) -> None:
        """Wait until all are ready. Raises StartFailedError (with the end of its log), StopRequestedError."""
        for service in services:
            running = self._running[service.name]
            slow = running.began + _SLOW_SECONDS
            while not _is_ready(running):
                self._interrupts.check()
                if (code := running.process.poll()) is not None:
                    raise StartFailedError(
                        _failure(
                            service.command, f"ended at once ({describe_exit(code)}){_stranger(service)}"
                        )
                    )
                if time.monotonic() - running.began > service.ready_seconds:
                    late = f"was not ready after {service.ready_seconds:.0f} s{_stranger(service)}"
                    raise StartFailedError(_failure(service.command, f"{late} {service.explain()}".rstrip()))
                if time.monotonic() > slow and (why := service.explain()):
                    self._say(running, f"is not ready yet: {why}")
                    slow = time.monotonic() + _SLOW_AGAIN_SECONDS
                self._interrupts.wait(_TICK_SECONDS)
            running.ready = True

    def run_once(self, command: Command, seconds: float) -> None:
        """Run a command to its end.

        Raises StartFailedError unless it exits with 0 in time, StopRequestedError.
        """
        process = spawn(command)
        deadline = time.monotonic() + seconds
        try:
            while (code := process.poll()) is None:
                self._interrupts.check()
                if time.monotonic() > deadline:
                    raise StartFailedError(_failure(command, f"did not end within {seconds:.0f} s"))
                self._interrupts.wait(_TICK_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            raise StartFailedError(_failure(command, f"failed ({describe_exit(code)})"))

    def watch(self) -> None:
        """Restart crashed processes until a stop is requested."""
        while not self._interrupts.stop_requested:
            for running in self._running.values():
                self._look_after(running)
            busy = any(not running.ready for running in self._running.values())
            self._interrupts.wait(_TICK_SECONDS if busy else 1.0)

    def stop_all(self) -> None:
        """Stop everything, last started first. A second Ctrl-C kills everything at once."""
        for running in reversed(self._running.values()):
            self._stop(running)
        self._running.clear()
        self._children_file.unlink(missing_ok=True)

    def _look_after(self, running: _Running) -> None:
        if running.due is not None:
            if time.monotonic() >= running.due:
                self._restart(running)
        elif (code := running.process.poll()) is not None:
            self._crashed(running, code)
        elif not running.ready and _is_ready(running):
            running.ready = True
            running.failures = 0
            self._say(running, f"ready again  {running.service.where}  pid {running.process.pid}")

    def _crashed(self, running: _Running, code: int) -> None:
        """Schedule a restart. Raises StartFailedError if it has ended too often before it was ready."""
        running.failures = 0 if running.ready else running.failures + 1
        if running.failures >= MOST_FAILURES:
            service = running.service
            often = f"ended {running.failures} times before it was ready ({describe_exit(code)})"
            raise StartFailedError(_failure(service.command, f"{often}{_stranger(service)}"))
        if time.monotonic() - running.began > _STEADY_SECONDS:
            running.delay = _FIRST_DELAY_SECONDS
        running.ready = False
        log = running.service.command.log
        self._say(running, f"{describe_exit(code)}; starting it again in {running.delay:.1f} s (log: {log})")
        self._again_later(running)

    @staticmethod
    def _again_later(running: _Running) -> None:
        running.due = time.monotonic() + running.delay
        running.delay = min(running.delay * 2, _LONGEST_DELAY_SECONDS)

    def _restart(self, running: _Running) -> None:
        try:
            running.service.before_start()
        except DevstackError as error:
            self._say(running, f"cannot start yet: {error}")
            self._again_later(running)
            return
        running.process = spawn(running.service.command, first=False)
        running.began, running.due = time.monotonic(), None
        self._record()
        self.changed()

    def _stop(self, running: _Running) -> None:
        process, command = running.process, running.service.command
        if process.poll() is None:
            process.send_signal(command.stop_signal)
        deadline = time.monotonic() + command.stop_seconds
        asked = self._interrupts.stops
        while process.poll() is None:
            if time.monotonic() > deadline or self._interrupts.stops > max(asked, 1):
                kill_group(process)
                process.wait()
                self._say(running, "did not stop in time and was killed")
                return
            self._interrupts.wait(_TICK_SECONDS)

    def _say(self, running: _Running, text: str) -> None:
        title = running.service.title or running.service.name
        name = running.service.name
        self._report(title, text if title == name else f"{name} {text}")

    def _record(self) -> None:
        leftovers.record(
            self._children_file,
            [
                (name, running.process.pid, int(running.service.command.stop_signal))
                for name, running in self._running.items()
            ],
        )


def _is_ready(running: _Running) -> bool:
    """Whether our process serves: it lives, its probe succeeds, and the listener is its own.

    Another process on the port would make the probe succeed, too.
    """
    service, process = running.service, running.process
    if process.poll() is not None or not service.probe():
        return False
    return process.poll() is None and (not service.port or ports.is_held_by(service.port, process.pid))


def _stranger(service: Service) -> str:
    """A phrase for an error that names the process on the service's port, if another one has it."""
    if not service.port or ports.is_free(service.port):
        return ""
    advice = f"; set {service.port_setting} to a free one, or" if service.port_setting else ";"
    return f": port {service.port} is taken{ports.holder_of(service.port)}{advice} stop that process"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the process and its descendants (each child leads a session of its own)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended meanwhile


def describe_exit(code: int) -> str:
    """`exited with 3` or `killed by SIGKILL`, from a Popen return code."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exited with {code}"


def _failure(command: Command, what: str) -> str:
    return f"{command.name} {what}; {command.log} ends with:\n{log_tail(command.log)}"
