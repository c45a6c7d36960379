"""One cell (database, bucket, three services) per module, on the run's servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devstack import infra
from tests.faults.cell import FORM, Cell
from tests.forks.client import ForkServer
from tests.servers import forks_of_run, own_postgres


@pytest.fixture(scope="session")
def forks(run_folder: Path) -> Iterator[ForkServer]:
    """Starts the services of all cells."""
    server = forks_of_run(run_folder)
    yield server
    server.close()


@pytest.fixture(scope="module")
def cell(
    servers: infra.Infra,
    forks: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Cell]:
    """The module's services; its ``CELL_ENV`` is added to their environment.

    A module that ends Postgres sets ``OWN_POSTGRES = True``; all others use the run's. One whose services
    share a process sets ``FORM = "one"``. ``CONSTANTS`` are those of ``ForkServer.start``.
    """
    path = request.module.__name__.removeprefix("tests.faults.")
    name = path.replace("test_", "").replace("_", "-").replace(".", "-")
    folder = tmp_path_factory.mktemp(name)
    with ExitStack() as own:
        if getattr(request.module, "OWN_POSTGRES", False):
            servers = own.enter_context(own_postgres(servers))
        env, form = getattr(request.module, "CELL_ENV", None), getattr(request.module, "FORM", FORM)
        constants = getattr(request.module, "CONSTANTS", None)
        running = Cell(servers, forks, name, folder, env, form=form, constants=constants)
        yield running
        running.stop()


@pytest.fixture(autouse=True)
def _nothing_armed(request: pytest.FixtureRequest) -> Iterator[None]:
    """A proxy's rules end with their test."""
    yield
    if "cell" in request.fixturenames:
        running: Cell = request.getfixturevalue("cell")
        running.s3.disarm()
        running.postgres.disarm()
