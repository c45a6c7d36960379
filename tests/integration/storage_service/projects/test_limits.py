"""Limits of a project, as settings; each refusal names the rule and the limit."""

from __future__ import annotations

import pytest

from strongroom.errors import ArchiveInvalid, ProjectLimitExceeded, ProjectNotFound, SizeLimitExceeded
from tests.integration.storage_service.projects.client import ProjectClient, zipped

SETTINGS = {"max_project_file_bytes": 1000, "max_project_bytes": 2500, "max_project_files": 4}


async def test_up_to_the_limits(client: ProjectClient) -> None:
    files = {"a": b"x" * 1000, "b": b"x" * 1000, "c": b"x" * 500, "d": b""}
    await client.save(files)
    await client.save_archive(zipped(files))
    assert (await client.project()).version == 2


@pytest.mark.parametrize("archive", [False, True])
async def test_a_file_too_large(client: ProjectClient, archive: bool) -> None:
    with pytest.raises(SizeLimitExceeded) as caught:
        await _save(client, {"a": b"x" * 1001}, archive)
    assert caught.value.metadata == {"limit": "1000", "family": "project files"}


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize(
    ("files", "rule", "limit"),
    [
        ({"a": b"x" * 1000, "b": b"y" * 1000, "c": b"z" * 501}, "max_bytes", "2500"),
        ({str(number): b"" for number in range(5)}, "max_files", "4"),
    ],
)
async def test_a_project_too_large(
    client: ProjectClient, files: dict[str, bytes], rule: str, limit: str, archive: bool
) -> None:
    with pytest.raises(ProjectLimitExceeded) as caught:
        await _save(client, files, archive)
    assert caught.value.metadata == {"limit": limit, "rule": rule}
    with pytest.raises(ProjectNotFound):
        await client.project()


async def test_unchanged_files_count(client: ProjectClient) -> None:
    files = {"a": b"x" * 1000, "b": b"y" * 1000}
    await client.save(files)
    with pytest.raises(ProjectLimitExceeded):
        await client.save({"c": b"z" * 501}, unchanged=files)


async def test_what_a_partial_save_keeps_counts(client: ProjectClient) -> None:
    await client.save({"a": b"x" * 1000, "b": b"y" * 1000})
    for files in ({"c": b"z" * 501}, {"c": b"", "d": b"", "e": b""}):
        with pytest.raises(ProjectLimitExceeded):
            await client.save(files, partial=True)
    assert (await client.save({"b": b"", "c": b"z" * 1000, "d": b"z" * 500}, partial=True)).file_count == 4


async def test_an_archive_larger_than_any_project(client: ProjectClient) -> None:
    with pytest.raises(SizeLimitExceeded) as caught:
        await client.save_archive(b"PK" + bytes(2500 + 4 * 2304))
    assert caught.value.metadata["family"] == "project archives"


async def test_many_folders(client: ProjectClient) -> None:
    with pytest.raises(ProjectLimitExceeded):
        await client.save_archive(zipped({f"{number}/": b"" for number in range(5)}))
    with pytest.raises(ArchiveInvalid):
        await client.save_archive(zipped({"a/": b"", "a": b""}))


async def _save(client: ProjectClient, files: dict[str, bytes], archive: bool) -> None:
    await (client.save_archive(zipped(files)) if archive else client.save(files))
