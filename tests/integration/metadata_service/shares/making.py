"""Creates shares on a world's database."""

from __future__ import annotations

from metadata_service.db.paging import PageTokens
from metadata_service.projects.queries import ProjectQueries
from metadata_service.shares.making import ShareMaker
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.tokens import SealedTokens
from tests.integration.metadata_service.world import World


def maker_of(
    world: World, passwords: Passwords | None = None, classes: frozenset[str] = frozenset()
) -> ShareMaker:
    """The use case."""
    find = ProjectQueries(world.database, PageTokens(b"s" * 32)).pinned_version
    sealed = SealedTokens(b"s" * 32)
    return ShareMaker(
        world.database, world.queries, find, passwords or Passwords(), sealed, keep=86_400, classes=classes
    )
