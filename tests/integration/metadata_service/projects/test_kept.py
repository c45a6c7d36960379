"""Files that a partial save keeps from the newest version: one statement for each part of the paths."""

from __future__ import annotations

import pytest

from strongroom.errors import InvalidField, UploadSuperseded
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from tests.integration.metadata_service.projects.saving import Projects, entries, hashes

TREE = {"a.txt": b"a", "b/c.txt": b"bc", "b/d.txt": b"bd", "e.txt": b"e", "ü.css": b"u"}


async def keep(
    projects: Projects, save_id: str, after: str = "", up_to: str = "", left_out: tuple[str, ...] = ()
) -> None:
    kept = pb.KeptFiles(after=after, up_to=up_to, left_out=left_out)
    request = pb.ReserveFilesRequest(save_id=save_id, owner_id=projects.owner, kept=kept)
    assert await projects.writing.reserve(request) == []


async def test_the_rest_of_the_newest_version_stays_with_its_blobs(projects: Projects) -> None:
    await projects.save(TREE)
    before = await projects.manifest()
    begun = await projects.begin()
    changed = {"b/d.txt": b"changed"}
    blobs = await projects.reserve(begun.save_id, changed)
    await keep(projects, begun.save_id, up_to="b/c.txt", left_out=("a.txt",))
    for _ in range(2):  # the first answer was lost
        await keep(projects, begun.save_id, after="b/c.txt", left_out=("b/d.txt",))
    saved = await projects.commit(begun.save_id, entries(blobs, changed), 4)
    assert (saved.version.added, saved.version.changed, saved.version.removed) == (0, 1, 1)
    after = await projects.manifest()
    wanted = {path: body for path, body in (TREE | changed).items() if path != "a.txt"}
    assert {path: file.sha256 for path, file in after.items()} == hashes(wanted)
    assert {path: file.version_id for path, file in after.items() if path != "b/d.txt"} == {
        path: file.version_id for path, file in before.items() if path in wanted and path != "b/d.txt"
    }
    assert await projects.content(1) == hashes(TREE)


async def test_a_save_that_keeps_less_than_it_says_is_refused(projects: Projects) -> None:
    await projects.save(TREE)
    begun = await projects.begin()
    await keep(projects, begun.save_id, after="b/d.txt")
    with pytest.raises(InvalidField):
        await projects.commit(begun.save_id, [], len(TREE))
    assert (await projects.commit(begun.save_id, [], 2)).version.removed == 3


async def test_a_save_that_is_over_keeps_nothing(projects: Projects) -> None:
    await projects.save(TREE)
    begun = await projects.begin()
    await projects.abandon(begun.save_id)
    with pytest.raises(UploadSuperseded):
        await keep(projects, begun.save_id)
    assert await projects.content() == hashes(TREE)
