"""Fake services on sockets, and a client for them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator

import pytest

from strongroom.client import AsyncClient, RetryPolicy
from tests.integration.sdk.fakes.server import Fakes, running
from tests.integration.sdk.fakes.state import State, token
from tests.integration.sdk.shell import Shell

#: Short pauses: the tests are about the rules, not the waiting.
QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """Running services without files or faults."""
    with running() as fakes:
        yield fakes


@pytest.fixture
def state(fakes: Fakes) -> State:
    """The state of the services."""
    return fakes.state


@pytest.fixture
async def client(fakes: Fakes) -> AsyncGenerator[AsyncClient]:
    """Alice's client."""
    async with AsyncClient(
        fakes.storage_address, fakes.metadata_address, token=token(), retry=QUICK
    ) as client:
        yield client


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment without settings, and a data folder without a stack."""
    for name in list(os.environ):
        if name.startswith(("STRONGROOM_", "AWS_", "S3_")):
            monkeypatch.delenv(name)
    return {"STRONGROOM_DATA_DIR": str(tmp_path_factory.mktemp("no-stack")), "COLUMNS": "200"}


@pytest.fixture
def shell(fakes: Fakes, unset: dict[str, str]) -> Shell:
    """Alice's command line."""
    return Shell(
        unset
        | {
            "STRONGROOM_STORAGE_ADDRESS": fakes.storage_address,
            "STRONGROOM_METADATA_ADDRESS": fakes.metadata_address,
            "STRONGROOM_TOKEN": token(),
        }
    )
