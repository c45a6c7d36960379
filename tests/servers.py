"""One Postgres and one S3 server for a whole test run, whatever the number of its processes.

The process that pytest was started in holds a FIFO open, the lifeline of the servers. The first test process
that needs them starts them, whichever that is; they stop when the run ends or dies, kill -9 included, and not
when one worker of several does. Their data lies in memory where that is large enough: what tests kill is
processes, and those lose nothing that they have written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from devstack import infra
from devstack.datadir import DataDir
from devstack.errors import DevstackError
from tests.forks.client import LIFELINE, ForkServer, connect
from tests.stack import until

_PREFIX: Final = "strongroom-tests-"
_IN_MEMORY: Final = Path("/dev/shm")
_ENOUGH: Final = 8 << 30
"""Bytes: a run leaves some 2 GiB behind, and e2e/test_memory.py needs the double of its file."""

_kept: list[infra.Infra] = []


class Run:
    """What the processes of one run share: a folder, and the lifeline in it. ``close`` ends the servers."""

    def __init__(self) -> None:
        _remove_what_dead_runs_left()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_place()))
        os.mkfifo(_lifeline(self.folder))
        self._held = os.open(_lifeline(self.folder), os.O_RDWR)

    def close(self) -> None:
        """Let go of the servers, wait until they have ended, and remove what they have written."""
        os.close(self._held)
        servers = DataDir(_servers(self.folder))
        until("the servers of the run have ended", lambda: servers.supervisor_pid() is None)
        shutil.rmtree(self.folder, ignore_errors=True)


def of_run(folder: Path) -> infra.Infra:
    """The servers of the run with this folder, started where nobody has done so."""
    with locked(folder / "servers.lock"):
        try:
            return infra.find(_servers(folder))
        except DevstackError:
            _kept.append(infra.start(_servers(folder), lifeline=_lifeline(folder)))
    return _kept[-1]


def forks_of_run(folder: Path) -> ForkServer:
    """A connection to the fork server of the run with this folder, started where nobody has done so."""
    with locked(folder / "forks.lock"):
        return connect(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, alone among all processes."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _servers(folder: Path) -> Path:
    return folder / "servers"


def _lifeline(folder: Path) -> Path:
    return folder / LIFELINE


def _place() -> Path | None:
    """Memory, if it is free and its file system keeps the attributes that Swift needs; None: wherever."""
    if not _IN_MEMORY.is_dir() or not os.access(_IN_MEMORY, os.W_OK):
        return None
    free = min(psutil.disk_usage(str(_IN_MEMORY)).free, psutil.virtual_memory().available)
    return _IN_MEMORY if free > _ENOUGH and _has_attributes() else None


def _has_attributes() -> bool:
    with tempfile.NamedTemporaryFile(dir=_IN_MEMORY) as probe:
        try:
            os.setxattr(probe.name, "user.strongroom", b"1")
        except OSError:
            return False
    return True


def _remove_what_dead_runs_left() -> None:
    """A run that was killed could not do so itself."""
    for place in {_IN_MEMORY, Path(tempfile.gettempdir())}:
        for folder in place.glob(f"{_PREFIX}*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", pid).exists() and DataDir(_servers(folder)).supervisor_pid() is None:
                shutil.rmtree(folder, ignore_errors=True)
