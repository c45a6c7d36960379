"""Lists and look-ups of projects, versions and files."""

from __future__ import annotations

import pytest

from strongroom.errors import FileNotFound, InvalidPageToken, ProjectNotFound, VersionNotFound
from tests.integration.metadata_service.projects.saving import Projects, entries, hashes


async def test_projects_come_newest_change_first(projects: Projects) -> None:
    for slug in ("one", "two", "three"):
        projects.slug = slug
        await projects.save({"a": slug.encode()})
    projects.slug = "one"
    await projects.save({"a": b"again"})
    first, total, token = await projects.queries.projects(projects.owner, 2, "")
    assert ([p.slug for p in first], total) == (["one", "three"], 3)
    rest, total, end = await projects.queries.projects(projects.owner, 2, token)
    assert ([p.slug for p in rest], total, end) == (["two"], 3, "")


async def test_nobody_has_no_projects(projects: Projects) -> None:
    assert await projects.queries.projects(projects.owner, 0, "") == ([], 0, "")
    with pytest.raises(InvalidPageToken):
        await projects.queries.projects(projects.owner, 0, "x" * 40)


async def test_a_project_under_its_first_save_is_not_shown(projects: Projects) -> None:
    await projects.begin()
    assert await projects.queries.projects(projects.owner, 0, "") == ([], 0, "")
    for look in (
        projects.queries.project(projects.owner, "site"),
        projects.queries.versions(projects.owner, "site", 0, ""),
        projects.queries.files(projects.owner, "site", 0, 0, ""),
        projects.queries.file(projects.owner, "site", 0, "a"),
    ):
        with pytest.raises(ProjectNotFound):
            await look


async def test_versions_in_pages(projects: Projects) -> None:
    for number in range(3):
        await projects.save({"a": str(number).encode()})
    first, token = await projects.queries.versions(projects.owner, "site", 2, "")
    rest, end = await projects.queries.versions(projects.owner, "site", 2, token)
    assert [v.version for v in [*first, *rest]] == [3, 2, 1]
    assert end == ""


async def test_files_in_pages_of_one_version(projects: Projects) -> None:
    await projects.save({"b": b"1", "a": b"2", "a/x": b"3", "é": b"4"})
    first, version, token = await projects.queries.files(projects.owner, "site", 0, 3, "")
    assert ([f.path for f in first], version) == (["a", "a/x", "b"], 1)
    await projects.save({"z": b"5"})
    rest, version, end = await projects.queries.files(projects.owner, "site", 0, 3, token)
    assert ([f.path for f in rest], version, end) == (["é"], 1, "")


async def test_a_page_fits_one_message(projects: Projects) -> None:
    folder = "d" * 900 + "/"
    files = {f"{folder}{number:04}": b"" for number in range(2500)}
    begun = await projects.begin()
    written = []
    names = list(files)
    for start in range(0, len(names), 500):
        part = {name: files[name] for name in names[start : start + 500]}
        written += entries(await projects.reserve(begun.save_id, part), part)
    await projects.commit(begun.save_id, written, len(files))
    found, token, pages = 0, "", 0
    while pages == 0 or token:
        page, _, token = await projects.queries.files(projects.owner, "site", 0, 0, token)
        assert sum(file.ByteSize() for file in page) < 4 << 20
        found, pages = found + len(page), pages + 1
    assert (found, pages > 1) == (2500, True)


async def test_versions_that_are_not_there(projects: Projects) -> None:
    await projects.save({"a": b"1"})
    with pytest.raises(VersionNotFound):
        await projects.queries.files(projects.owner, "site", 2, 0, "")
    with pytest.raises(VersionNotFound):
        await projects.queries.file(projects.owner, "site", 2, "a")
    with pytest.raises(FileNotFound):
        await projects.queries.file(projects.owner, "site", 1, "b")


async def test_one_file_of_any_version(projects: Projects) -> None:
    await projects.save({"a": b"1"})
    await projects.save({"a": b"2"})
    old, version = await projects.queries.file(projects.owner, "site", 1, "a")
    assert (old.sha256, version) == (hashes({"a": b"1"})["a"], 1)
    new, version = await projects.queries.file(projects.owner, "site", 0, "a")
    assert (new.sha256, version) == (hashes({"a": b"2"})["a"], 2)


async def test_others_see_nothing(projects: Projects) -> None:
    await projects.save({"a": b"1"})
    stranger = Projects(projects.world, projects.owner + "-2")
    with pytest.raises(ProjectNotFound):
        await stranger.queries.project(stranger.owner, "site")
    with pytest.raises(ProjectNotFound):
        await stranger.remove()
    assert await projects.content() == hashes({"a": b"1"})
