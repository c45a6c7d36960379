"""A gateway in front of in-memory services."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.harness import Running, run_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with run_gateway() as running:
        yield running
