"""A stack whose webhooks may use one private address, and a receiver there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from devstack import infra
from tests.integration.webhooks.receiver import Receiver, running_receiver
from tests.shared_stack import shared_stack
from tests.stack import RunningStack

FAST = {
    "STRONGROOM_WEBHOOK_INTERVAL_SECONDS": "0.2",
    "STRONGROOM_WEBHOOK_TIMEOUT_SECONDS": "3",
    "STRONGROOM_WEBHOOK_RETRY_SECONDS": "0.1",
    "STRONGROOM_WEBHOOK_TRIES": "3",
}


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """The only private address that webhooks may use."""
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="session")
def hook_stack(
    servers: infra.Infra, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    env = FAST | {"STRONGROOM_IMPORT_ALLOW_HOSTS": receiver.authority}
    with shared_stack(servers, tmp_path_factory.mktemp("webhooks") / "data", env) as running:
        yield running


@pytest.fixture
def name() -> str:
    """A new user, and a path of the receiver."""
    return f"user-{uuid.uuid4()}"


@pytest.fixture
def http(hook_stack: RunningStack, name: str) -> Iterator[httpx.Client]:
    with hook_stack.http(name) as client:
        yield client
