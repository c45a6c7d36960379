"""A separate stack with a real clamd, behind a front that can be away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import infra
from devstack.stackfile import S3Entry
from tests.clamd import Clamd, running_clamd
from tests.clamd_front import ClamdFront, clamd_front
from tests.e2e.conftest import Login, signing_in
from tests.faults.checker import Checker
from tests.integration.importing.origin import Origin
from tests.shared_stack import shared_stack
from tests.stack import RunningStack

#: The most bytes scanned, and a multipart upload's largest part: both ways to S3 fit.
MOST = 11 << 20


@pytest.fixture(scope="package")
def clamd() -> Iterator[Clamd]:
    """A clamd in a short folder, because paths of sockets are limited."""
    with (
        tempfile.TemporaryDirectory(prefix="clamd-") as folder,
        running_clamd(Path(folder) / "real") as running,
    ):
        yield running


@pytest.fixture(scope="package")
def front(clamd: Clamd) -> Iterator[ClamdFront]:
    """The stack's scanner."""
    with (
        tempfile.TemporaryDirectory(prefix="clamd-") as folder,
        clamd_front(Path(folder) / "front", clamd.address) as running,
    ):
        yield running


@pytest.fixture(scope="package")
def stack(
    servers: infra.Infra, origin: Origin, front: ClamdFront, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """A running stack. Users are distinguished by name only, so use new ones (``user``)."""
    env = {
        "STRONGROOM_CLAMD_ADDRESS": front.address,
        "STRONGROOM_SCAN_MAX_BYTES": str(MOST),
        "STRONGROOM_RESCAN_INTERVAL_SECONDS": "0.5",
        "STRONGROOM_IMPORT_ALLOW_HOSTS": origin.authority,
    }
    with shared_stack(servers, tmp_path_factory.mktemp("scanning") / "data", env) as running:
        yield running


@pytest.fixture(scope="package")
def checker(stack: RunningStack) -> Checker:
    """Looks into Postgres and S3."""
    state = stack.state
    return Checker(state["postgres"]["dsn"], S3Entry(**state["s3"]))


@pytest.fixture(scope="package")
def login(stack: RunningStack) -> Iterator[Login]:
    """Clients of this stack's gateway."""
    with signing_in(stack) as make:
        yield make
