"""Starts service processes by forking one that has already imported everything they need.

Each failpoint is armed by starting a process anew, more than a hundred times in all, and most of a start is
imports. A forked process is a real one: pid, session, environment, log and the service's ``__main__`` are its
own; it dies with the server that forked it. Forking is safe because importing the services starts nothing,
neither threads nor gRPC (the server checks that).

``python -m tests.faults.forkserver`` is the server: it reads one JSON order per line and writes
``{"pid": …}``, later ``{"ended": pid, "code": …}``.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.outbound.wire import tls_context
from tests.faults.wrong_clock import shift_clock
from tests.stack import CHECKOUT, until

SERVICES: Final = ("metadata_service", "storage_service", "gateway", "strongroom_server")
_PR_SET_PDEATHSIG: Final = 1


class Child:
    """A forked process. ``code`` is None while it lives, afterwards as ``subprocess.Popen.returncode``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def end(self) -> None:
        """SIGKILL: also ends what SIGSTOP has frozen, and is one crash more that must do no harm."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
        until(f"process {self.pid} ends", lambda: self.code is not None, pause=0.005)


class ForkServer:
    """The client's side. ``close`` ends the server and everything that it has forked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forkserver"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
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
        assert self._process.stdin is not None
        order = {
            "module": module,
            "env": dict(env),
            "log": str(log),
            "constants": dict(constants or {}),
            "clock": clock,
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        until("the fork server answers", lambda: self._born or not self._reader.is_alive(), pause=0.005)
        return self._born.pop()

    def close(self) -> None:
        """End the server; its children die with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "pid" in told:
                child = self._living[told["pid"]] = Child(told["pid"])
                self._born.append(child)
            else:
                self._living.pop(told["ended"]).code = told["code"]


def import_all(package: str) -> None:
    """Import every module of a service but those that are run (``__main__``) or are data (migrations)."""
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    for module in found:
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)


def _warm_up() -> None:
    """What each start would else read and import itself, for 0.2 s of CPU: all that botocore knows,
    certificate authorities, middleware.
    """
    open_s3_store(S3Options(bucket="warm", endpoint_url="http://127.0.0.1:1"))
    tls_context(verify=True)
    importlib.import_module("starlette.middleware.cors")


def _serve() -> None:
    for name in SERVICES:
        import_all(name)
    _warm_up()
    assert threading.active_count() == 1, f"importing the services starts threads: {threading.enumerate()}"
    gc.freeze()
    heard, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([0, heard], [], [])
        if heard in ready:
            os.read(heard, 4096)
            _collect()
        if 0 in ready:
            order = _read_order()
            if order is None:
                return
            _fork(order)


def _read_order() -> dict[str, Any] | None:
    """The next line of standard input, unbuffered; None at its end."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            return None
        line += piece
    order: dict[str, Any] = json.loads(line)
    return order


def _fork(order: dict[str, Any]) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(order, parent)
    _tell(pid=pid)


def _collect() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def _tell(**facts: int) -> None:
    os.write(1, (json.dumps(facts) + "\n").encode())


def _become(order: dict[str, Any], parent: int) -> NoReturn:
    """Turn this process into the service; never returns to the server's code."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        log = os.open(order["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 64)
        os.environ.clear()
        os.environ.update(order["env"])
        for place, value in order["constants"].items():
            owner, _, name = place.partition(":")
            found = importlib.import_module(owner)
            assert isinstance(getattr(found, name), int), place
            setattr(found, name, value)
        if order["clock"]:
            shift_clock(order["clock"])
        sys.argv = [order["module"], "serve"]
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001 - whatever it is, the log tells it and the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
