"""Shares on a real database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from metadata_service.db.paging import PageTokens
from metadata_service.projects.queries import ProjectQueries
from metadata_service.shares.guests import GuestAccess
from metadata_service.shares.making import ShareMaker
from metadata_service.shares.owners import OwnersShares
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.tokens import SealedTokens
from strongroom.metadata.v1.share_pb2 import ShareScope
from strongroom.metadata.v1.share_service_pb2 import CreateShareRequest, CreateShareResponse
from tests.integration.metadata_service.world import World

EVENT = "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"


@dataclass
class Sharing:
    """The use cases of shares."""

    world: World
    maker: ShareMaker
    owners: OwnersShares
    guests: GuestAccess

    async def make(self, owner: str, scope: ShareScope | None = None, **more: Any) -> CreateShareResponse:
        """A share of an event's media, unless another thing is named."""
        scope = scope or ShareScope(event_id=EVENT)
        return await self.maker.create(owner, CreateShareRequest(scope=scope, **more))


@pytest.fixture
def sharing(world: World) -> Sharing:
    tokens, passwords = PageTokens(b"s" * 32), Passwords()
    queries = ProjectQueries(world.database, tokens)
    maker = ShareMaker(
        world.database, world.queries, queries.pinned_version, passwords, SealedTokens(b"s" * 32), keep=86_400
    )
    owners = OwnersShares(world.database, tokens, passwords)
    return Sharing(world, maker, owners, GuestAccess(world.database, passwords))


@pytest.fixture
def ada() -> str:
    return f"ada-{uuid.uuid4()}"


@pytest.fixture
def bob() -> str:
    return f"bob-{uuid.uuid4()}"
