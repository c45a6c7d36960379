"""A cell (database, bucket, three services) once per module, on the servers of the pytest process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack import infra
from tests.faults.cell import Cell, migrate
from tests.faults.forkserver import ForkServer


@pytest.fixture(scope="session")
def migrated(servers: infra.Infra) -> infra.Infra:
    """Postgres and S3, with a migrated database for cells to copy."""
    migrate(servers)
    return servers


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """Starts the services of all cells."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def cell(
    migrated: infra.Infra,
    forks: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Cell]:
    """The services of this module; its ``CELL_ENV`` adds to their environment."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    env = getattr(request.module, "CELL_ENV", None)
    running = Cell(migrated, forks, name, tmp_path_factory.mktemp(name), env)
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
