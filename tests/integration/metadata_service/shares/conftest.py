"""Shares on a real database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from metadata_service.db.paging import PageTokens
from metadata_service.shares.guests import GuestAccess
from metadata_service.shares.making import ShareMaker
from metadata_service.shares.owners import OwnersShares
from metadata_service.shares.passwords import Passwords
from strongroom.metadata.v1.share_pb2 import ShareScope
from strongroom.metadata.v1.share_service_pb2 import CreateShareRequest, CreateShareResponse
from tests.integration.metadata_service.shares.making import maker_of
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
        """Create a share, by default of an event's media."""
        scope = scope or ShareScope(event_id=EVENT)
        return await self.maker.create(owner, CreateShareRequest(scope=scope, **more))


@pytest.fixture
def sharing(world: World) -> Sharing:
    tokens, passwords = PageTokens(b"s" * 32), Passwords()
    maker = maker_of(world, passwords)
    owners = OwnersShares(world.database, tokens, passwords)
    return Sharing(world, maker, owners, GuestAccess(world.database, passwords))


@pytest.fixture
def ada() -> str:
    return f"ada-{uuid.uuid4()}"


@pytest.fixture
def bob() -> str:
    return f"bob-{uuid.uuid4()}"
