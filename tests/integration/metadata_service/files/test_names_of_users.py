"""User names with a meaning in SQL, patterns, paths or shells are ordinary text. Each user sees only their
own files, in lists, searches, quotas and S3 keys.
"""

from __future__ import annotations

from typing import Final

import pytest

from metadata_service.config import Limits
from metadata_service.files.queries import Listing
from strongroom.errors import FileNotFound, QuotaExceeded
from tests.integration.metadata_service.world import World, plain_spec

WORDS: Final = ("alice", "alice'; --", "../alice", "alice/../bob", "$1", "{}", "NULL")
NAMES: Final = (
    "*",
    "%",
    "_",
    "'",
    '"',
    "\\",
    "a*",
    "alice",
    "alice'; --",
    "../alice",
    "alice/../bob",
    "$1",
    "{}",
    "NULL",
)


async def _keys(world: World, owner: str, prefix: str = "") -> list[str]:
    found = await world.queries.page(Listing(owner, prefix), 100, "")
    return [file.key for file in found.files]


async def test_each_sees_their_own_alone(own_world: World) -> None:
    world = own_world
    files = {name: await world.upload(name, plain_spec()) for name in NAMES}
    assert len({file.key for file in files.values()}) == len(NAMES)
    assert len({file.key.split("/")[1] for file in files.values()}) == len(NAMES)
    for name, file in files.items():
        assert await _keys(world, name) == [file.key]
        assert await _keys(world, name, "uploads/") == [file.key]
        assert await _keys(world, name, file.key.rpartition("/")[0]) == [file.key]
        assert (await world.usage.usage(name)).file_count == 1
        for other in files.values():
            if other is not file:
                with pytest.raises(FileNotFound):
                    await world.queries.by_key(name, other.key)


async def test_one_quota_is_nobody_elses(own_world: World) -> None:
    full = own_world.but(limits=Limits(bytes=15))
    await full.upload("*", plain_spec(size_bytes=10))
    with pytest.raises(QuotaExceeded):
        await full.attempt("*", plain_spec(size_bytes=10))
    for name in ("alice", "%", "a*", "_"):
        await full.attempt(name, plain_spec(size_bytes=10))
