"""Partial saves: files neither sent nor removed stay as in the newest version."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from strongroom.errors import (
    FileNotFound,
    IdempotencyKeyReused,
    MalformedRequest,
    PathInvalid,
    ProjectNotFound,
    StrongroomError,
    UploadIncomplete,
    VersionConflict,
)
from strongroom.metadata.v1.project_pb2 import ProjectVersion
from strongroom.storage.v1.project_pb2 import DeleteProjectRequest, SaveProjectFile, SaveProjectRequest
from tests.integration.storage_service.projects.client import Files, ProjectClient

SITE = {
    "index.html": b"<title>1</title>",
    "src/App.jsx": b"export default () => <p/>",
    "package.json": b'{"dependencies": {"react": "19", "express": "5"}}',
}


def removal(path: str) -> SaveProjectRequest:
    return SaveProjectRequest(file=SaveProjectFile(path=path, removed=True))


async def patch(
    client: ProjectClient, changed: Files, removed: Iterable[str] = (), **spec: object
) -> ProjectVersion:
    first, *files, end = client.messages(changed, {}, partial=True, **spec)
    reply = await client.send([first, *files, *map(removal, removed), end])
    version: ProjectVersion = reply.version
    return version


async def test_what_is_not_spoken_of_stays(client: ProjectClient) -> None:
    await client.save(SITE)
    before = client.services.versions(client.prefix)
    version = await patch(client, {"index.html": b"<title>2</title>", "new.css": b"p{}"})
    assert (version.version, version.file_count, version.added, version.changed) == (2, 4, 1, 1)
    wanted = {**SITE, "index.html": b"<title>2</title>", "new.css": b"p{}"}
    assert await client.content() == client.services.current(client.prefix) == wanted
    assert await client.content(1) == SITE
    assert len(client.services.versions(client.prefix)) == len(before) + 2
    assert list((await client.project()).tech_stack) == ["React", "Express", "Node.js"]


async def test_files_are_removed_and_renamed(client: ProjectClient) -> None:
    await client.save(SITE)
    version = await patch(client, {"Index.html": SITE["index.html"]}, ["index.html", "package.json"])
    assert (version.file_count, version.added, version.removed) == (2, 1, 2)
    wanted = {"Index.html": SITE["index.html"], "src/App.jsx": SITE["src/App.jsx"]}
    assert await client.content() == client.services.current(client.prefix) == wanted
    assert list((await client.project()).tech_stack) == ["React"]
    await patch(client, {}, wanted)
    assert await client.content() == {}


async def test_only_the_executable_bit_changes(client: ProjectClient) -> None:
    await client.save(SITE)
    head = SaveProjectFile(path="index.html", size_bytes=len(SITE["index.html"]), executable=True)
    finish = SaveProjectRequest(finish_write=True)
    data = SaveProjectRequest(data=SITE["index.html"])
    await client.send([client.spec(partial=True), SaveProjectRequest(file=head), data, finish])
    await patch(client, {"new.css": b"p{}"})
    found = await client.files()
    assert {path for path, file in found.items() if file.executable} == {"index.html"}


@pytest.mark.parametrize(
    ("changed", "removed", "error", "rule"),
    [
        ({"INDEX.html": b""}, [], PathInvalid, "case_collision"),
        ({"SRC/new.py": b""}, [], PathInvalid, "case_collision"),
        ({"src": b""}, [], PathInvalid, "file_and_folder"),
        ({"index.html/a": b""}, [], PathInvalid, "file_and_folder"),
        ({"index.html": b""}, ["index.html"], PathInvalid, "duplicate_path"),
        ({}, ["index.html", "index.html"], PathInvalid, "duplicate_path"),
        ({}, ["src"], FileNotFound, None),
        ({}, ["nowhere.txt"], FileNotFound, None),
        ({}, ["Index.html"], FileNotFound, None),
    ],
)
async def test_what_is_refused_changes_nothing(
    client: ProjectClient, changed: Files, removed: list[str], error: type[StrongroomError], rule: str | None
) -> None:
    await client.save(SITE)
    with pytest.raises(error) as caught:
        await patch(client, {"more.txt": b"more", **changed}, removed)
    assert caught.value.metadata.get("rule") == rule
    assert await client.content() == SITE
    assert (await client.project()).version == 1


async def test_there_must_be_a_project(client: ProjectClient) -> None:
    with pytest.raises(ProjectNotFound):
        await patch(client, SITE)
    with pytest.raises(ProjectNotFound):
        await client.project()


async def test_expected_version(client: ProjectClient) -> None:
    await client.save(SITE)
    await patch(client, {"a": b"1"}, expected_version=1)
    with pytest.raises(VersionConflict) as caught:
        await patch(client, {"a": b"2"}, expected_version=1)
    assert caught.value.metadata == {"expected": "1", "actual": "2"}
    assert (await client.content())["a"] == b"1"


async def test_a_deletion_expects_a_version_too(client: ProjectClient) -> None:
    await client.save(SITE)
    for seen in (0, 2):
        request = DeleteProjectRequest(slug=client.slug, expected_version=seen)
        with pytest.raises(VersionConflict) as caught:
            await client.call(client.storage.DeleteProject, request)
        assert caught.value.metadata["actual"] == "1"
    assert await client.content() == SITE
    request = DeleteProjectRequest(slug=client.slug, expected_version=1)
    await client.call(client.storage.DeleteProject, request)
    with pytest.raises(ProjectNotFound):
        await client.project()


async def test_a_repeat_answers_the_same(client: ProjectClient) -> None:
    await client.save(SITE)
    first = await patch(client, {"a": b"1"}, ["index.html"], request_id="r")
    assert await patch(client, {"a": b"1"}, ["index.html"], request_id="r") == first
    for changed, removed in (
        ({"a": b"2"}, ["index.html"]),
        ({"a": b"1"}, []),
        ({"a": b"1"}, ["src/App.jsx"]),
    ):
        with pytest.raises(IdempotencyKeyReused):
            await patch(client, changed, removed, request_id="r")
    with pytest.raises(IdempotencyKeyReused):
        await client.save({"a": b"1"}, request_id="r")
    assert (await client.project()).version == 2


async def test_only_partial_saves_remove(client: ProjectClient) -> None:
    await client.save(SITE)
    with pytest.raises(MalformedRequest):
        await client.send([client.spec(), removal("index.html"), SaveProjectRequest(finish_write=True)])
    data = SaveProjectRequest(data=b"x")
    with pytest.raises(MalformedRequest):
        await client.send([client.spec(partial=True), removal("index.html"), data])
    with pytest.raises(UploadIncomplete):
        await client.send([client.spec(partial=True), removal("index.html")])
    assert await client.content() == SITE
