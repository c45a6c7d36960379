"""One Postgres and one S3 server for a whole test run, whatever the number of its processes.

The process started by the user holds a FIFO open, the servers' lifeline. The first test process that needs
the servers starts them. They stop when the run ends or dies, even by kill -9, but not when one of several
workers does. Their data is in memory if that is large enough: tests kill processes, which lose nothing
written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from devstack import infra
from devstack.datadir import DataDir, Secrets
from devstack.errors import DevstackError
from devstack.ports import KeptPorts
from devstack.postgres import EmbeddedPostgres
from tests.forks.client import LIFELINE, ForkServer, connect
from tests.stack import until

_PREFIX: Final = "strongroom-tests-"
_IN_MEMORY: Final = Path("/dev/shm")
_ENOUGH: Final = 8 << 30
"""Bytes: a run writes some 2 GiB, and e2e/test_memory.py needs twice its file."""

_kept: list[infra.Infra] = []


class Run:
    """Shared by the processes of a run: a folder with the lifeline. ``close`` ends the servers."""

    def __init__(self) -> None:
        _remove_what_dead_runs_left()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_place()))
        os.mkfifo(_lifeline(self.folder))
        self._held = os.open(_lifeline(self.folder), os.O_RDWR)

    def close(self) -> None:
        """Release the servers, wait until they have ended, and delete their data."""
        os.close(self._held)
        servers = DataDir(_servers(self.folder))
        until("the servers of the run have ended", lambda: servers.supervisor_pid() is None)
        shutil.rmtree(self.folder, ignore_errors=True)


def of_run(folder: Path) -> infra.Infra:
    """The servers of the run with this folder, started if necessary."""
    with locked(folder / "servers.lock"):
        try:
            return infra.find(_servers(folder))
        except DevstackError:
            _kept.append(infra.start(_servers(folder), lifeline=_lifeline(folder)))
    return _kept[-1]


def forks_of_run(folder: Path) -> ForkServer:
    """A connection to the fork server of the run with this folder, started if necessary."""
    with locked(folder / "forks.lock"):
        return connect(folder)


def copy_cluster(folder: Path, data_dir: Path) -> None:
    """Make a data directory with a Postgres cluster that was never started: a copy of the run's, because
    initdb takes half a second of CPU.
    """
    made = DataDir(folder / "cluster")
    with locked(folder / "cluster.lock"):
        made.create()
        secrets = Secrets(made.root / "secrets.json")
        EmbeddedPostgres(made, secrets, KeptPorts(made.ports)).initialise()
    DataDir(data_dir).create()
    subprocess.run(["cp", "-a", made.postgres, made.root / "secrets.json", data_dir], check=True)


@contextmanager
def own_postgres(servers: infra.Infra) -> Iterator[infra.Infra]:
    """A Postgres of the caller's own beside the S3 server of the run."""
    run_folder = servers.data_dir.parent
    with room(run_folder) as folder:
        copy_cluster(run_folder, folder)
        with infra.start(folder, servers.storage_environ()) as running:
            yield running


@contextmanager
def room(folder: Path) -> Iterator[Path]:
    """A folder below that of the run, for a cluster or a store of a test's own: writing 40 MB to a disk takes
    the kernel as long as initdb.
    """
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as made:
        yield Path(made)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, exclusively among all processes."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _servers(folder: Path) -> Path:
    return folder / "servers"


def _lifeline(folder: Path) -> Path:
    return folder / LIFELINE


def _place() -> Path | None:
    """A folder in memory, if there is room and its file system has the attributes that Swift needs; else
    None.
    """
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
    """Clean up after killed runs."""
    for place in {_IN_MEMORY, Path(tempfile.gettempdir())}:
        for folder in place.glob(f"{_PREFIX}*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", pid).exists() and DataDir(_servers(folder)).supervisor_pid() is None:
                shutil.rmtree(folder, ignore_errors=True)
