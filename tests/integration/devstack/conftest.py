"""Stacks of stand-ins that are gone when the test is over, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack import infra
from tests.integration.devstack.running import STANDINS, RunningStack

StartStack = Callable[..., RunningStack]


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[StartStack]:
    """`start_stack(*command, **environ)`: another life of the stack in this test's folder."""
    started: list[RunningStack] = []

    def start(*command: str, **environ: str) -> RunningStack:
        started.append(RunningStack(tmp_path, command or STANDINS, **environ))
        return started[-1]

    yield start
    for stack in started:
        stack.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[infra.Infra]:
    """Postgres and S3 for the tests of one module."""
    with infra.start(tmp_path_factory.mktemp("servers")) as running:
        yield running
