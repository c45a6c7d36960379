"""ZIPs in both directions, end to end."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import AsyncIterator

import pytest

from strongroom.errors import (
    ArchiveInvalid,
    IdempotencyKeyReused,
    ProjectNotFound,
    UploadIncomplete,
    VersionNotFound,
)
from strongroom.metadata.v1.target_pb2 import PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.integration.storage_service.projects.client import ProjectClient, unzipped, zipped
from tests.integration.storage_service.projects.draining import wait_drained

TREE = {
    "index.html": b"<title>zip</title>" * 100,
    "src/\u00fcber.txt": b"text",
    "empty": b"",
    "img/pixel.png": os.urandom(3000),
    "data/large.bin": os.urandom(6 << 20),
    "data/large.txt": b"the same line again and again\n" * 100_000,
}


async def test_a_zip_becomes_a_version(client: ProjectClient) -> None:
    version = await client.save_archive(zipped(TREE), name="Zipped")
    assert (version.version, version.file_count) == (1, len(TREE))
    assert await client.content() == TREE
    project = await client.project()
    assert (project.name, project.has_frontend) == ("Zipped", True)
    assert client.services.current(client.prefix) == TREE


async def test_nothing_is_left_of_the_archive_itself(client: ProjectClient) -> None:
    await client.save_archive(zipped({"a": b"1", "b": os.urandom(6 << 20)}))
    wait_drained(client)
    rows = client.services.logins.rows("SELECT key FROM blobs WHERE owner_id = %s", client.owner)
    assert sorted(row[0] for row in rows) == [client.prefix + "a", client.prefix + "b"]
    assert client.services.versions("temp/") == []


async def test_what_goes_in_comes_out(client: ProjectClient) -> None:
    await client.save(TREE)
    out = await client.archive()
    assert unzipped(out) == TREE
    assert await client.archive() == out  # the same bytes again
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        kinds = {info.filename: info.compress_type for info in archive.infolist()}
        assert archive.namelist() == sorted(TREE)
    assert kinds["empty"] == kinds["img/pixel.png"] == zipfile.ZIP_STORED
    assert kinds["data/large.txt"] == kinds["index.html"] == zipfile.ZIP_DEFLATED
    async with ProjectClient(client.services, client.owner, "copy") as other:
        await other.save_archive(out)
        assert await other.content() == TREE


async def test_archives_of_old_versions(client: ProjectClient) -> None:
    await client.save({"a": b"1"})
    await client.save({})
    assert unzipped(await client.archive(1)) == {"a": b"1"}
    assert unzipped(await client.archive()) == {}
    with pytest.raises(VersionNotFound):
        await client.archive(3)
    client.slug = "other"
    with pytest.raises(ProjectNotFound):
        await client.archive()


async def test_an_archive_of_files_below_a_prefix(client: ProjectClient) -> None:
    for path, body in (("docs/a.txt", b"a"), ("docs/b/c.bin", os.urandom(100)), ("other.txt", b"o")):
        await _upload(client, path, body)
    below = unzipped(await client.archive_below(f"paths/{client.owner}/docs/"))
    assert sorted(below) == ["a.txt", "b/c.bin"]
    assert below["a.txt"] == b"a"
    assert sorted(unzipped(await client.archive_below(f"paths/{client.owner}/d"))) == [
        "docs/a.txt",
        "docs/b/c.bin",
    ]
    async with ProjectClient(client.services, client.owner + "x") as stranger:
        assert unzipped(await stranger.archive_below(f"paths/{client.owner}/")) == {}


async def test_a_bad_zip_changes_nothing(client: ProjectClient) -> None:
    await client.save({"index.html": b"old"})
    good = zipped({"index.html": b"new", "b.txt": b"b"}, zipfile.ZIP_STORED)
    bad_content = good.replace(b"new", b"nEw")
    escaping = zipped({"index.html": b"new", "../evil": b"x"})
    for body, rule in (
        (bad_content, "content_checksum"),
        (escaping, "parent_segment"),
        (good[:-1], "no_end_record"),
        (good + b"x", "several_ends"),
        (b"x" + good, "no_zip"),
        (b"", "no_end_record"),
        (b"PK", "no_end_record"),
    ):
        with pytest.raises(ArchiveInvalid) as caught:
            await client.save_archive(body)
        assert caught.value.metadata["rule"] == rule
    with pytest.raises(UploadIncomplete):
        await client.save_archive(good, finish=False)
    wait_drained(client)
    assert client.services.current(client.prefix) == {"index.html": b"old"}
    assert client.services.versions("temp/") == []
    assert (await client.project()).version == 1


async def test_repeated_archives(client: ProjectClient) -> None:
    body = zipped({"a": b"1"})
    first = await client.save_archive(body, request_id="r-1")
    assert await client.save_archive(body, request_id="r-1") == first
    with pytest.raises(IdempotencyKeyReused):
        await client.save_archive(zipped({"a": b"2"}), request_id="r-1")
    with pytest.raises(IdempotencyKeyReused):
        await client.save({"a": b"1"}, request_id="r-1")


async def test_unchanged_files_of_an_archive_are_not_stored_again(client: ProjectClient) -> None:
    await client.save({"a": b"1", "b": b"2"})
    before = await client.files()
    version = await client.save_archive(zipped({"a": b"1", "b": b"3"}))
    assert (version.changed, version.added) == (1, 0)
    assert (await client.files())["a"].version_id == before["a"].version_id


async def _upload(client: ProjectClient, path: str, body: bytes) -> None:
    spec = UploadSpec(target=UploadTarget(path=PathTarget(path=path)), filename="x")

    async def stream() -> AsyncIterator[UploadRequest]:
        yield UploadRequest(spec=spec)
        yield UploadRequest(data=body, finish_write=True)

    await client.call(client.storage.Upload, stream())
