"""Stacks of stand-ins, which end with the test in any case."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack import infra
from devstack.datadir import DataDir, Secrets
from devstack.ports import KeptPorts
from devstack.postgres import EmbeddedPostgres
from tests.forks.client import ForkServer
from tests.integration.devstack.running import STANDINS, RunningStack
from tests.servers import forks_of_run, locked

StartStack = Callable[..., RunningStack]


@pytest.fixture(scope="session")
def forks(run_folder: Path) -> Iterator[ForkServer]:
    """Starts stacks by forking a process that has imported most modules."""
    server = forks_of_run(run_folder)
    yield server
    server.close()


@pytest.fixture(scope="session")
def cluster(run_folder: Path) -> Path:
    """A data directory with a Postgres cluster that was never started, to copy: initdb takes a third of the
    start of a stack of stand-ins.
    """
    data = DataDir(run_folder / "cluster")
    with locked(run_folder / "cluster.lock"):
        data.create()
        secrets = Secrets(data.root / "secrets.json")
        EmbeddedPostgres(data, secrets, KeptPorts(data.ports)).initialise()
    return data.root


@pytest.fixture
def start_stack(tmp_path: Path, forks: ForkServer, cluster: Path) -> Iterator[StartStack]:
    """`start_stack(*command, **environ)`: start the stack again in this test's folder. With `bare` it is what
    `make up` runs: nothing is forked or prepared.
    """
    started: list[RunningStack] = []

    def start(*command: str, bare: bool = False, **environ: str) -> RunningStack:
        data = tmp_path / "data"
        if not (bare or data.exists() or "STRONGROOM_DATABASE_URL" in environ):
            data.mkdir(mode=0o711)
            subprocess.run(["cp", "-a", cluster / "postgres", cluster / "secrets.json", data], check=True)
        started.append(RunningStack(tmp_path, command or STANDINS, None if bare else forks, **environ))
        return started[-1]

    yield start
    for stack in started:
        stack.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[infra.Infra]:
    """Postgres and S3 for the tests of one module."""
    with infra.start(tmp_path_factory.mktemp("servers")) as running:
        yield running
