"""One owner has hundreds of objects that the store has to be asked about; another owner's single object is in
the first claim or the second, wherever the turn begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from metadata_service.archived import ArchiveRestores
from metadata_service.projects.keys import ProjectKeys
from tests.integration.metadata_service.world import World

#: How many one owner has.
REMOVED: Final = """
INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec, object_metadata,
    reserved_bytes, reserved_files, not_before, size_bytes, crc32c)
SELECT %s, gen_random_uuid(), 4, 1, 1, gen_random_uuid(), false, '', '', '{}', 0, 0,
    now() - interval '1 h', 1, 1
FROM generate_series(1, %s)
"""
KEYS: Final = """
INSERT INTO project_keys (owner_id, key, slug, path, not_before)
SELECT %s, gen_random_uuid(), 'site', 'a', now() - interval '1 h' FROM generate_series(1, %s)
"""
RESTORES: Final = """
WITH made AS (
    INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec, object_metadata,
        reserved_bytes, reserved_files, size_bytes, crc32c)
    SELECT %s, gen_random_uuid(), 3, 1, 1, gen_random_uuid(), false, '', '', '{}', 0, 0, 1, 1
    FROM generate_series(1, %s)
    RETURNING owner_id, id
)
INSERT INTO archive_restores (owner_id, blob_id, asked_at, look_at)
SELECT owner_id, id, now(), now() - interval '1 h' FROM made
"""

Claim = Callable[[], Awaitable[list[str]]]


def removals(world: World) -> Claim:
    cleaning = world.cleaning

    async def claim() -> list[str]:
        return [blob.owner_id for blob in (await cleaning.claim(8))[0]]

    return claim


def keys(world: World) -> Claim:
    of_projects = ProjectKeys(world.database, world.timing)

    async def claim() -> list[str]:
        return [key.owner_id for key in (await of_projects.claim(8))[0]]

    return claim


def looks(world: World) -> Claim:
    restores = ArchiveRestores(world.database)

    async def claim() -> list[str]:
        return [content.owner_id for content in await restores.claim(8, 60.0)]

    return claim


WORK: Final = {"removals": (REMOVED, removals), "keys": (KEYS, keys), "looks": (RESTORES, looks)}


@pytest.mark.parametrize("name", WORK)
async def test_nobody_waits_behind_an_owner_of_hundreds(own_world: World, owner: str, name: str) -> None:
    insert, claims_of = WORK[name]
    own_world.logins.change(insert, owner, 200)
    for other in (f"{owner}-before", "a", "~"):
        own_world.logins.change(insert, other, 1)
        claim = claims_of(own_world)
        first, second = await claim(), await claim()
        assert (first + second).count(other) == 1
        assert len(first) == len(second) == 8
    claim = claims_of(own_world)
    rest = [found for _ in range(20) for found in await claim()]
    assert len(rest) == 200 + 3 - 3 * 16


async def test_who_is_still_at_work_is_left_out_of_a_claim(own_world: World, owner: str) -> None:
    own_world.logins.change(REMOVED, owner, 200)
    for number in range(70):
        own_world.logins.change(REMOVED, f"other-{number:02}", 2)
    later = "UPDATE blobs SET not_before = now() + interval '1 h' WHERE owner_id < 'other-60'"
    own_world.logins.change(later)
    claimed = [await own_world.cleaning.claim(50, without=[owner, "other-60"]) for _ in range(3)]
    found = [sorted(blob.owner_id for blob in blobs) for blobs, _ in claimed]
    assert found == [sorted(2 * [f"other-{number}" for number in range(61, 70)]), [], []]
    assert len((await own_world.cleaning.claim(50))[0]) == 50
