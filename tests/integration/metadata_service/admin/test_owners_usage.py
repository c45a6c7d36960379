"""Usage of all owners, sorted and page by page."""

from __future__ import annotations

import pytest

from metadata_service.config import Limits
from metadata_service.db.paging import PageTokens
from metadata_service.usage.queries import OwnersUsage
from strongroom.errors import InvalidPageToken
from strongroom.metadata.v1 import admin_service_pb2 as pb
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World, path_spec


def usages(world: World) -> OwnersUsage:
    return OwnersUsage(world.database, PageTokens(b"s" * 32), Limits(files=3))


async def owners_of(world: World, **request: object) -> list[str]:
    """The owners on all pages."""
    asked, found = pb.ListUsageRequest(**request), []  # type: ignore[arg-type]
    while True:
        page = await usages(world).page(asked)
        found += [one.usage.owner_id for one in page.owners]
        if not page.next_page_token:
            return found
        asked.page_token = page.next_page_token


async def test_every_order_shows_each_owner_once(own_world: World) -> None:
    for name, sizes in {"ada": [1, 1, 1], "bea": [9], "cyd": [9], "dan": [4, 4]}.items():
        for size in sizes:
            await own_world.upload(name, size=size)
    await own_world.usage.set_limits("eve", Limits(bytes=1), actor="root")
    for size in (1, 2, 100):
        asked = {"page_size": size}
        assert await owners_of(own_world, **asked) == ["bea", "cyd", "dan", "ada", "eve"]
        by_files = await owners_of(own_world, order=pb.USAGE_ORDER_FILES, **asked)
        assert by_files == ["ada", "dan", "bea", "cyd", "eve"]
        by_name = await owners_of(own_world, order=pb.USAGE_ORDER_OWNER, **asked)
        assert by_name == ["ada", "bea", "cyd", "dan", "eve"]


async def test_limits_what_is_under_way_and_families(world: World, owner: str) -> None:
    await world.upload(owner, size=5)
    await world.upload(owner, path_spec(), size=7)
    await Projects(world, owner).save({"a.txt": b"abc"})
    spec = path_spec("later.txt")
    spec.size_bytes = 11
    await world.attempt(owner, spec)
    (found,) = (await usages(world).page(pb.ListUsageRequest(user_id=owner, by_family=True))).owners
    assert (found.usage.used_bytes, found.usage.file_count, found.usage.reserved_bytes) == (15, 3, 11)
    assert not found.usage.HasField("limit_bytes")
    assert found.usage.limit_files == 3
    families = {one.family: (one.file_count, one.size_bytes) for one in found.families}
    assert families == {"project": (1, 3), "file": (1, 5), "path": (1, 7)}


async def test_a_token_of_another_order_is_refused(own_world: World) -> None:
    await own_world.upload("ada")
    await own_world.upload("bea")
    page = await usages(own_world).page(pb.ListUsageRequest(page_size=1))
    with pytest.raises(InvalidPageToken):
        await usages(own_world).page(
            pb.ListUsageRequest(order=pb.USAGE_ORDER_FILES, page_token=page.next_page_token)
        )
