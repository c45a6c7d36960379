"""Roll-back and deletion, and the bucket's current objects."""

from __future__ import annotations

import pytest

from strongroom.errors import (
    FileNotFound,
    PreconditionFailed,
    ProjectNotFound,
    RangeNotSatisfiable,
    VersionConflict,
    VersionNotFound,
)
from strongroom.metadata.v1.project_service_pb2 import ListProjectVersionsRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, ProjectFileName
from tests.integration.storage_service.projects.client import ProjectClient
from tests.integration.storage_service.projects.draining import wait_drained

ONE = {
    "index.html": b"1",
    "a/same.txt": b"same",
    "gone.txt": b"gone",
    "package.json": b'{"dependencies":{"vue":"3"}}',
}
TWO = {"index.html": b"2", "a/same.txt": b"same", "new.txt": b"new"}


async def test_rolling_back_makes_a_new_version(client: ProjectClient) -> None:
    await client.save(ONE)
    await client.save(TWO)
    version = await client.roll_back(1)
    assert (version.version, version.rolled_back_to) == (3, 1)
    assert (version.added, version.changed, version.removed) == (2, 1, 1)
    assert await client.content() == ONE
    assert await client.content(2) == TWO
    assert client.services.current(client.prefix) == ONE
    assert list((await client.project()).tech_stack) == ["Vue", "Node.js"]


async def test_what_both_versions_have_is_not_copied(client: ProjectClient) -> None:
    await client.save(ONE)
    await client.save(TWO)
    before = (await client.files())["a/same.txt"].version_id
    await client.roll_back(1)
    assert (await client.files())["a/same.txt"].version_id == before


async def test_rolling_back_and_forth(client: ProjectClient) -> None:
    await client.save(ONE)
    await client.save(TWO)
    await client.roll_back(1)
    await client.roll_back(2)
    await client.roll_back(1)
    assert await client.content() == ONE
    assert client.services.current(client.prefix) == ONE
    listing = ListProjectVersionsRequest(slug=client.slug)
    versions = (await client.call(client.projects.ListProjectVersions, listing)).versions
    assert [(v.version, v.rolled_back_to) for v in versions] == [(5, 1), (4, 2), (3, 1), (2, 0), (1, 0)]


async def test_rolling_back_to_the_newest_version_copies_nothing(client: ProjectClient) -> None:
    await client.save(ONE)
    before = client.services.versions(client.prefix)
    version = await client.roll_back(1)
    assert (version.version, version.changed) == (2, 0)
    assert client.services.versions(client.prefix) == before


async def test_roll_backs_that_are_refused(client: ProjectClient) -> None:
    with pytest.raises(ProjectNotFound):
        await client.roll_back(1)
    await client.save(ONE)
    with pytest.raises(VersionNotFound):
        await client.roll_back(2)
    with pytest.raises(VersionConflict):
        await client.roll_back(1, expected_version=2)
    assert (await client.project()).version == 1


async def test_a_repeated_roll_back(client: ProjectClient) -> None:
    await client.save(ONE)
    await client.save(TWO)
    first = await client.roll_back(1, request_id="r-1")
    assert await client.roll_back(1, request_id="r-1") == first


async def test_deleting_removes_every_version_and_marker(client: ProjectClient) -> None:
    await client.save(ONE)
    await client.save(TWO)
    await client.roll_back(1)
    await client.save({})
    assert any(marker for _, _, marker, _ in client.services.versions(client.prefix))
    await client.delete()
    for look in (
        client.project(),
        client.files(),
        client.archive(),
        client.read("index.html"),
        client.delete(),
    ):
        with pytest.raises(ProjectNotFound):
            await look
    wait_drained(client)
    assert client.services.versions(client.prefix) == []
    rows = client.services.logins.rows("SELECT count(*) FROM blobs WHERE owner_id = %s", client.owner)
    assert rows == [(0,)]
    usage = client.services.logins.rows(
        "SELECT sum(used_bytes)::bigint, sum(file_count)::bigint FROM usage WHERE owner_id = %s", client.owner
    )
    assert usage == [(0, 0)]


async def test_the_slug_can_be_used_again_at_once(client: ProjectClient) -> None:
    await client.save(ONE)
    await client.save({"index.html": b"1"})  # markers on the others
    await client.delete()
    await client.save(TWO)
    assert await client.content() == TWO
    wait_drained(client)
    assert client.services.current(client.prefix) == TWO
    assert await client.content() == TWO
    assert len(client.services.versions(client.prefix)) == len(TWO)  # nothing is left of the first project


async def test_markers_are_only_where_something_is_hidden(client: ProjectClient) -> None:
    await client.save({"a": b"1", "b": b"1"})
    await client.save({"a": b"1"})
    await client.save({"a": b"1", "b": b"2"})
    await client.save({"b": b"2"})
    wait_drained(client)
    markers = [key for key, _, marker, _ in client.services.versions(client.prefix) if marker]
    assert markers.count(client.prefix + "a") == 1
    assert client.services.current(client.prefix) == {"b": b"2"}
    await client.delete()
    wait_drained(client)
    assert client.services.versions(client.prefix) == []


async def test_reading_ranges_and_conditions(client: ProjectClient) -> None:
    body = bytes(range(200))
    await client.save({"a.bin": body})
    file = (await client.files())["a.bin"]
    assert await client.read("a.bin", read_offset=10, read_limit=5) == body[10:15]
    assert await client.read("a.bin", read_offset=-7) == body[-7:]
    assert await client.read("a.bin", if_etag_match=file.etag, version_id=file.version_id) == body
    with pytest.raises(RangeNotSatisfiable):
        await client.read("a.bin", read_offset=200)
    with pytest.raises(PreconditionFailed):
        await client.read("a.bin", if_etag_match="x")
    with pytest.raises(VersionNotFound):
        await client.read("a.bin", version_id="x")
    with pytest.raises(VersionNotFound):
        await client.read("a.bin", 2)
    with pytest.raises(FileNotFound):
        await client.read("b.bin")


async def test_metadata_only(client: ProjectClient) -> None:
    await client.save({"page.html": b"<p>"})
    name = ProjectFileName(slug=client.slug, path="page.html")
    request = DownloadRequest(project_file=name, metadata_only=True)
    (message,) = await client.stream(client.storage.Download, request)
    told = message.project_file
    assert (told.path, told.content_type, told.size_bytes, message.read_size) == (
        "page.html",
        "text/html",
        3,
        3,
    )
    assert told.key == client.prefix + "page.html"
    assert told.HasField("create_time")


async def test_an_admin_may_act_for_another_user(client: ProjectClient) -> None:
    await client.save(ONE)
    async with ProjectClient(client.services, "boss", roles=["admin"]) as admin:
        await admin.save(TWO, user_id=client.owner)
        await admin.roll_back(1, user_id=client.owner)
        assert await admin.read("index.html", user_id=client.owner) == b"1"
    assert await client.content() == ONE
