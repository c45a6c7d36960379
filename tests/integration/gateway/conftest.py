"""A gateway in front of in-memory services."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from servicekit.telemetry.logs import configure_logging
from tests.integration.gateway.harness import Running, run_gateway


@pytest.fixture(scope="module", autouse=True)
def _forking(forking: None) -> None:
    """Processes in these tests are forks."""


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with run_gateway() as running:
        yield running


@pytest.fixture(autouse=True, scope="module")
def logging() -> None:
    """Log as the processes do: otherwise structlog prints tracebacks with all locals, bodies of 50 MiB
    included.
    """
    configure_logging("test", "warning")
