"""A running sink, compiled once per test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import sinkserver
from benchmarks.sinkserver import Sink


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with sinkserver.running(folder=tmp_path_factory.getbasetemp() / "sink") as running:
        yield running
