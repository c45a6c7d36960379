"""Worlds: the use cases on a database."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world


@pytest.fixture
async def world(module_database: Logins) -> AsyncIterator[World]:
    """A world on the module's database. Use owners of your own."""
    async with make_world(module_database) as made:
        yield made


@pytest.fixture
async def own_world(database: Logins) -> AsyncIterator[World]:
    """A world on a database of the test's own, for tests that concern all owners."""
    async with make_world(database) as made:
        yield made


@pytest.fixture
def owner() -> str:
    """A new owner."""
    return f"user-{uuid.uuid4()}"
