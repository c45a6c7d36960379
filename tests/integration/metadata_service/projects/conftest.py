from __future__ import annotations

import pytest

from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World


@pytest.fixture
def projects(world: World, owner: str) -> Projects:
    """An owner without projects, on the module's database."""
    return Projects(world, owner)
