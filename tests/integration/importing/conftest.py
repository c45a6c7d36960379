"""A stack with short time-outs of imports, and an origin to import from."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from devstack import infra
from devstack.stackfile import S3Entry
from tests.faults.checker import Checker
from tests.integration.importing.origin import Origin, running_origin
from tests.shared_stack import shared_stack
from tests.stack import RunningStack

LIMIT = 256 * 1024
IDLE_SECONDS = 1.0
TOTAL_SECONDS = 8.0


@pytest.fixture(scope="package")
def import_origin() -> Iterator[Origin]:
    """The only private address that imports may use."""
    with running_origin() as running:
        yield running


@pytest.fixture(scope="package")
def importing_stack(
    servers: infra.Infra, import_origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    env = {
        "STRONGROOM_IMPORT_ALLOW_HOSTS": import_origin.authority,
        "STRONGROOM_IMPORT_IDLE_SECONDS": str(IDLE_SECONDS),
        "STRONGROOM_IMPORT_TIMEOUT_SECONDS": str(TOTAL_SECONDS),
        "STRONGROOM_MAX_GENERATION_BYTES": str(LIMIT),
    }
    with shared_stack(servers, tmp_path_factory.mktemp("importing") / "data", env) as running:
        yield running


@pytest.fixture(scope="package")
def import_checker(importing_stack: RunningStack) -> Checker:
    state = importing_stack.state
    return Checker(state["postgres"]["dsn"], S3Entry(**state["s3"]))


@pytest.fixture
def name() -> str:
    """A new user, and a path of the origin."""
    return f"user-{uuid.uuid4()}"


@pytest.fixture
def http(importing_stack: RunningStack, name: str) -> Iterator[httpx.Client]:
    with importing_stack.http(name) as client:
        yield client
