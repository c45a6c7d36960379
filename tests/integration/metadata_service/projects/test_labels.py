"""Names, messages and tags of versions."""

from __future__ import annotations

import uuid

import pytest

from metadata_service.projects.labels import VersionLabels
from strongroom.errors import InvalidField, ProjectNotFound, VersionNotFound
from strongroom.metadata.v1.event_media_service_pb2 import Tags
from strongroom.metadata.v1.project_pb2 import ProjectVersion, VersionLabel
from strongroom.metadata.v1.project_service_pb2 import UpdateProjectVersionRequest as Update
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World

LABEL = VersionLabel(version_name="Launch", message="as shown", tags=["release", "v1"])


async def labelled(projects: Projects, **more: object) -> ProjectVersion:
    request = Update(slug=projects.slug, **more)  # type: ignore[arg-type]  # fields of the request
    return await VersionLabels(projects.world.database).update(projects.owner, request)


async def listed(projects: Projects) -> list[VersionLabel]:
    versions, _ = await projects.queries.versions(projects.owner, projects.slug, 0, "")
    return [version.label for version in versions]


async def test_a_label_comes_with_the_save_and_changes_afterwards(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a"})
    begun = await projects.begin()
    made = await projects.commit(begun.save_id, [], 0, label=LABEL)
    assert made.version.label == LABEL
    assert await listed(projects) == [LABEL, VersionLabel()]
    assert (await labelled(projects, version=1, name="First")).label == VersionLabel(version_name="First")
    assert (await labelled(projects, version=2, tags=Tags())).label.tags == []
    again = await labelled(projects, version=2, name="", message="other")
    assert again.label == VersionLabel(message="other")
    assert await listed(projects) == [VersionLabel(message="other"), VersionLabel(version_name="First")]


async def test_a_repeated_commit_answers_the_label(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    begun = await projects.begin()
    for _ in range(2):
        assert (await projects.commit(begun.save_id, [], 0, label=LABEL)).version.label == LABEL


@pytest.mark.parametrize(
    "wrong",
    [{"name": "a\0b"}, {"message": "\0"}, {"tags": Tags(values=["a\0"])}, {"tags": Tags(values=["a", "a"])}],
)
async def test_what_no_label_is(world: World, owner: str, wrong: dict[str, object]) -> None:
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a"})
    with pytest.raises(InvalidField):
        await labelled(projects, version=1, **wrong)


async def test_only_versions_that_are_there_and_ones_own(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a"})
    with pytest.raises(VersionNotFound):
        await labelled(projects, version=2, name="x")
    with pytest.raises(ProjectNotFound):
        await labelled(Projects(world, f"user-{uuid.uuid4()}"), version=1, name="x")
    begun = await Projects(world, owner, "begun").begin()
    assert begun.save_id
    with pytest.raises(ProjectNotFound):
        await labelled(Projects(world, owner, "begun"), version=1, name="x")
