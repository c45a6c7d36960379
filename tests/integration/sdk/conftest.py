"""Fakes on sockets, and a client of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

import pytest

from strongroom.client import AsyncClient, RetryPolicy
from tests.integration.sdk.fakes.server import Fakes, running
from tests.integration.sdk.fakes.state import State, token

#: Short pauses: the rules are tested, not patience.
QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """Running services without files or faults."""
    with running() as fakes:
        yield fakes


@pytest.fixture
def state(fakes: Fakes) -> State:
    """What the services know."""
    return fakes.state


@pytest.fixture
async def client(fakes: Fakes) -> AsyncGenerator[AsyncClient]:
    """Alice's client."""
    async with AsyncClient(
        fakes.storage_address, fakes.metadata_address, token=token(), retry=QUICK
    ) as client:
        yield client
