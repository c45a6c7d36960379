"""A cell (database, bucket, three services) once per module, on the servers of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devstack import infra
from tests.faults.cell import FORM, Cell
from tests.forks.client import ForkServer
from tests.servers import forks_of_run


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
    """The services of this module; its ``CELL_ENV`` adds to their environment.

    A module that ends its Postgres says ``OWN_POSTGRES = True``: everybody else is on the one of the run. One
    whose services share a process says ``FORM = "one"``. ``CONSTANTS`` are those of ``ForkServer.start``.
    """
    path = request.module.__name__.removeprefix("tests.faults.")
    name = path.replace("test_", "").replace("_", "-").replace(".", "-")
    folder = tmp_path_factory.mktemp(name)
    with ExitStack() as own:
        if getattr(request.module, "OWN_POSTGRES", False):
            servers = own.enter_context(infra.start(folder / "servers", servers.storage_environ()))
        env, form = getattr(request.module, "CELL_ENV", None), getattr(request.module, "FORM", FORM)
        constants = getattr(request.module, "CONSTANTS", None)
        running = Cell(servers, forks, name, folder, env, form=form, constants=constants)
        yield running
        running.stop()


@pytest.fixture(autouse=True)
def _nothing_armed(request: pytest.FixtureRequest) -> Iterator[None]:
    """No rule of a proxy outlives its test."""
    yield
    if "cell" in request.fixturenames:
        running: Cell = request.getfixturevalue("cell")
        running.s3.disarm()
        running.postgres.disarm()
