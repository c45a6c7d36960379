"""Stacks of stand-ins, which end with the test in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack import infra
from tests.forks.client import ForkServer
from tests.integration.devstack.running import STANDINS, RunningStack
from tests.servers import copy_cluster, forks_of_run, room

StartStack = Callable[..., RunningStack]


@pytest.fixture(scope="session")
def forks(run_folder: Path) -> Iterator[ForkServer]:
    """Starts stacks by forking a process that has imported most modules."""
    server = forks_of_run(run_folder)
    yield server
    server.close()


@pytest.fixture
def place(run_folder: Path) -> Iterator[Path]:
    """A folder for data of this test, in memory if the run's is."""
    with room(run_folder) as folder:
        yield folder


@pytest.fixture
def start_stack(place: Path, forks: ForkServer, run_folder: Path) -> Iterator[StartStack]:
    """`start_stack(*command, **environ)`: start the stack again in this test's folder. With `bare` it is what
    `make up` runs: nothing is forked or prepared.
    """
    started: list[RunningStack] = []

    def start(*command: str, bare: bool = False, **environ: str) -> RunningStack:
        data = place / "data"
        if not (bare or data.exists() or "STRONGROOM_DATABASE_URL" in environ):
            copy_cluster(run_folder, data)
        started.append(RunningStack(place, command or STANDINS, None if bare else forks, **environ))
        return started[-1]

    yield start
    for stack in started:
        stack.stop()


@pytest.fixture
def data(place: Path, run_folder: Path) -> Path:
    """The data directory of servers that are started for the first time, with their cluster."""
    copy_cluster(run_folder, place / "data")
    return place / "data"


@pytest.fixture(scope="module")
def servers(run_folder: Path) -> Iterator[infra.Infra]:
    """Postgres and S3 for the tests of one module."""
    with room(run_folder) as folder:
        copy_cluster(run_folder, folder)
        with infra.start(folder) as running:
            yield running
