"""SaveProject, end to end on Postgres and Swift with versioning."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from strongroom.errors import (
    ArchiveInvalid,
    ChecksumMismatch,
    ChunkTooLarge,
    IdempotencyKeyReused,
    InvalidField,
    MalformedRequest,
    PathInvalid,
    PreconditionFailed,
    ProjectNotFound,
    SizeMismatch,
    StrongroomError,
    UploadIncomplete,
    VersionConflict,
)
from strongroom.storage.v1.project_pb2 import SaveProjectFile, SaveProjectRequest
from tests.integration.storage_service.projects.client import ProjectClient, zipped
from tests.integration.storage_service.projects.draining import wait_drained
from tests.unit.storage_service.projects.hostile_names import CLASHES, KINDS

SITE = {
    "index.html": b"<!doctype html><title>1</title>",
    "src/App.jsx": b"export default () => <p/>",
    "package.json": b'{"dependencies": {"react": "19", "express": "5"}}',
    "empty.txt": b"",
    "b\u00e4r/\u20ac.bin": bytes(range(256)) * 8,
}
NEXT = {**SITE, "index.html": b"<!doctype html><title>2</title>", "new/file.css": b"p{}"}
del NEXT["empty.txt"]


async def test_a_first_save(client: ProjectClient) -> None:
    version = await client.save(SITE, name="My site")
    assert (version.version, version.file_count, version.added) == (1, 5, 5)
    assert await client.content() == SITE
    project = await client.project()
    assert (project.name, project.has_frontend, project.has_backend) == ("My site", True, True)
    assert list(project.tech_stack) == ["React", "Express", "Node.js"]
    assert client.services.current(client.prefix) == SITE


async def test_the_bucket_shows_the_newest_version(client: ProjectClient) -> None:
    await client.save(SITE)
    await client.save(NEXT)
    assert client.services.current(client.prefix) == NEXT
    assert await client.content(1) == SITE
    assert await client.content(2) == NEXT
    await client.save(SITE)
    assert client.services.current(client.prefix) == SITE


async def test_unchanged_files_are_not_stored_again(client: ProjectClient) -> None:
    await client.save(SITE)
    before = client.services.versions(client.prefix)
    version = await client.save(SITE)
    assert (version.version, version.added, version.changed, version.removed) == (2, 0, 0, 0)
    assert client.services.versions(client.prefix) == before


async def test_unchanged_files_need_not_be_sent(client: ProjectClient) -> None:
    await client.save(SITE)
    sent = {"index.html": NEXT["index.html"]}
    told = {path: body for path, body in SITE.items() if path not in {"index.html", "empty.txt"}}
    version = await client.save(sent, unchanged=told)
    assert (version.changed, version.removed) == (1, 1)
    assert await client.content() == sent | told
    assert "Express" in (await client.project()).tech_stack  # read from the previous version


async def test_a_tree_that_has_not_changed_asks_nothing_of_the_store(client: ProjectClient) -> None:
    """Whether its files are declared or sent: the store has lost all objects, and nothing fails."""
    await client.save(SITE)
    before = await client.project()
    for key, version, *_ in client.services.versions(client.prefix):
        client.services.s3.delete_object(Bucket=client.services.entry.bucket, Key=key, VersionId=version)
    told = await client.save({}, unchanged=SITE)
    assert (told.version, told.file_count, told.added, told.changed, told.removed) == (2, 5, 0, 0, 0)
    sent = await client.save(SITE)
    assert (sent.version, sent.file_count, sent.changed) == (3, 5, 0)
    assert client.services.versions(client.prefix) == []
    after = await client.project()
    assert list(after.tech_stack) == list(before.tech_stack) == ["React", "Express", "Node.js"]
    assert (after.has_frontend, after.has_backend) == (True, True)


async def test_a_tree_that_has_lost_a_file_is_another(client: ProjectClient) -> None:
    await client.save(SITE)
    kept = {path: body for path, body in SITE.items() if path != "package.json"}
    version = await client.save({}, unchanged=kept)
    assert (version.file_count, version.removed) == (4, 1)
    assert list((await client.project()).tech_stack) == ["React"]


async def test_what_is_said_to_be_unchanged_must_be(client: ProjectClient) -> None:
    await client.save(SITE)
    with pytest.raises(PreconditionFailed):
        await client.save({}, unchanged={"index.html": b"other"})
    with pytest.raises(PreconditionFailed):
        await client.save({}, unchanged={"nowhere.txt": b""})
    assert await client.content() == SITE


async def test_expected_version(client: ProjectClient) -> None:
    with pytest.raises(VersionConflict):
        await client.save(SITE, expected_version=3)
    await client.save(SITE, expected_version=0)
    with pytest.raises(VersionConflict) as caught:
        await client.save(NEXT, expected_version=0)
    assert caught.value.metadata == {"expected": "0", "actual": "1"}
    await client.save(NEXT, expected_version=1)


async def test_a_stream_without_finish_write_saves_nothing(client: ProjectClient) -> None:
    await client.save(SITE)
    whole = list(client.messages(NEXT, {}))
    for cut in (1, 2, 3, len(whole) - 1):
        with pytest.raises(UploadIncomplete):
            await client.send(whole[:cut])
        assert await client.content() == SITE
    wait_drained(client)
    assert client.services.current(client.prefix) == SITE
    assert len(client.services.versions(client.prefix)) == len(SITE)


async def test_a_broken_first_save_leaves_nothing(client: ProjectClient) -> None:
    with pytest.raises(UploadIncomplete):
        await client.send(list(client.messages(SITE, {}))[:-1])
    with pytest.raises(ProjectNotFound):
        await client.project()
    wait_drained(client)
    assert client.services.versions(client.prefix) == []
    for table in ("projects", "project_saves", "project_save_files", "blobs"):
        assert client.services.logins.rows(
            f"SELECT count(*) FROM {table} WHERE owner_id = %s", client.owner
        ) == [(0,)]


async def test_sizes_and_checksums_are_verified(client: ProjectClient) -> None:
    def file(**head: object) -> list[SaveProjectRequest]:
        return [
            client.spec(),
            SaveProjectRequest(file=SaveProjectFile(path="a", **head)),  # type: ignore[arg-type]
            SaveProjectRequest(data=b"hello"),
            SaveProjectRequest(finish_write=True),
        ]

    for size in (4, 6):
        with pytest.raises(SizeMismatch):
            await client.send(file(size_bytes=size))
    with pytest.raises(ChecksumMismatch):
        await client.send(file(size_bytes=5, crc32c=1))
    with pytest.raises(ChecksumMismatch):
        await client.send(file(size_bytes=5, sha256=b"x" * 32))
    with pytest.raises(InvalidField):
        await client.send(file(size_bytes=5, sha256=b"x"))
    with pytest.raises(InvalidField):
        await client.send(file(size_bytes=5, unchanged=True))
    with pytest.raises(MalformedRequest):
        await client.send(file(size_bytes=5, unchanged=True, sha256=b"x" * 32))
    await client.send(file(size_bytes=5, crc32c=0x9A71BB4C, sha256=hashlib.sha256(b"hello").digest()))
    assert await client.content() == {"a": b"hello"}


async def test_messages_out_of_order(client: ProjectClient) -> None:
    for messages in (
        [SaveProjectRequest(finish_write=True)],
        [client.spec(), client.spec()],
        [client.spec(), SaveProjectRequest(data=b"x")],
        [client.spec(), SaveProjectRequest(finish_write=False)],
    ):
        with pytest.raises(MalformedRequest):
            await client.send(messages)
    with pytest.raises(UploadIncomplete):
        await client.send([])
    big = SaveProjectRequest(file=SaveProjectFile(path="a", size_bytes=3 << 20))
    with pytest.raises(ChunkTooLarge):
        await client.send([client.spec(), big, SaveProjectRequest(data=bytes((2 << 20) + 1))])


async def test_tiny_messages(client: ProjectClient) -> None:
    body = bytes(range(250))
    messages = [client.spec(), SaveProjectRequest(file=SaveProjectFile(path="a", size_bytes=len(body)))]
    messages += [SaveProjectRequest(data=body[n : n + 1]) for n in range(len(body))]
    await client.send([*messages, SaveProjectRequest(finish_write=True)])
    assert await client.content() == {"a": body}


@pytest.mark.parametrize("path", ["/a", "a//b", "../a", "a/./b", "a\\b", "a\nb", "x" * 1000])
async def test_paths_that_are_refused(client: ProjectClient, path: str) -> None:
    with pytest.raises(PathInvalid):
        await client.save({"good.txt": b"1", path: b"2"})
    with pytest.raises(ProjectNotFound):
        await client.project()


@pytest.mark.parametrize(
    ("head", "field"),
    [
        ({"path": "a/../b"}, "files[2].path"),
        ({"path": "GOOD.txt"}, "files[2].path"),
        ({"path": ""}, "files[2].path"),
        ({"path": "x" * 1025}, "files[2].path"),
        ({"path": "a", "sha256": b"short"}, "files[2].sha256"),
        ({"path": "a", "sha256": b"much longer than SHA-256 ever gets"}, "files[2].sha256"),
        ({"path": "a", "size_bytes": -1}, "files[2].size_bytes"),
        ({"path": "a", "size_bytes": 1 << 40}, "files[2]"),
    ],
)
async def test_the_file_at_fault_is_named(client: ProjectClient, head: dict[str, Any], field: str) -> None:
    good = [
        SaveProjectRequest(file=SaveProjectFile(path=path, size_bytes=0)) for path in ("good.txt", "too.txt")
    ]
    with pytest.raises(StrongroomError) as caught:
        await client.send([client.spec(), *good, SaveProjectRequest(file=SaveProjectFile(**head))])
    assert [one.field for one in caught.value.violations] == [field]
    with pytest.raises(ProjectNotFound):
        await client.project()


async def test_a_path_twice(client: ProjectClient) -> None:
    with pytest.raises(PathInvalid) as caught:
        await client.save({"e\u0301": b"1", "\u00e9": b"2"})
    assert caught.value.metadata["rule"] == "duplicate_path"


@pytest.mark.parametrize("rule", KINDS)
async def test_names_that_some_system_takes_for_another(client: ProjectClient, rule: str) -> None:
    """In the last file of a save, while others are in transit: nothing is stored, by either way of saving."""
    name = KINDS[rule][0]
    files = {"good.txt": b"1", f"deep/{name}/x": b"2"}
    with pytest.raises(PathInvalid) as caught:
        await client.save(files)
    assert caught.value.metadata["rule"] == rule
    with pytest.raises(ArchiveInvalid) as refused:
        await client.save_archive(zipped(files))
    assert refused.value.metadata["rule"] == rule
    with pytest.raises(ProjectNotFound):
        await client.project()


@pytest.mark.parametrize(("rule", "one", "other"), CLASHES)
async def test_names_that_clash(client: ProjectClient, rule: str, one: str, other: str) -> None:
    if one.endswith("/") or other.endswith("/") or rule == "duplicate_name":
        one, other, rule = "A/x", "a/y", "case_collision"  # a dict has no folders and no duplicates
    with pytest.raises(PathInvalid) as caught:
        await client.save({one: b"1", "between": b"2", other: b"3"})
    assert caught.value.metadata["rule"] == rule
    with pytest.raises(ProjectNotFound):
        await client.project()


async def test_nothing_is_left_of_refused_names(client: ProjectClient) -> None:
    for name in ("nul.txt", "README.MD"):
        with pytest.raises(PathInvalid):
            await client.save({"readme.md": b"1", f"{name}": b"2"})
    wait_drained(client)
    assert client.services.versions(client.prefix) == []
    query = "SELECT count(*) FROM blobs WHERE owner_id = %s"
    assert client.services.logins.rows(query, client.owner) == [(0,)]


async def test_repeats(client: ProjectClient) -> None:
    first = await client.save(SITE, request_id="r-1")
    assert await client.save(dict(reversed(SITE.items())), request_id="r-1") == first
    assert (await client.project()).version == 1
    with pytest.raises(IdempotencyKeyReused):
        await client.save(NEXT, request_id="r-1")
    with pytest.raises(IdempotencyKeyReused):
        await client.save(SITE, request_id="r-1", name="other")


async def test_many_files_go_in_batches(client: ProjectClient) -> None:
    files = {f"dir{number % 7}/{number:04}.txt": str(number).encode() for number in range(650)}
    version = await client.save(files)
    assert version.added == 650
    listed = await client.files()
    assert {path: file.sha256 for path, file in listed.items()} == {
        path: hashlib.sha256(body).digest() for path, body in files.items()
    }
    assert list(listed) == sorted(files)


async def test_another_user_sees_nothing(client: ProjectClient) -> None:
    await client.save(SITE)
    async with ProjectClient(client.services, client.owner + "x") as stranger:
        for look in (stranger.project(), stranger.read("index.html"), stranger.archive(), stranger.delete()):
            with pytest.raises(ProjectNotFound):
                await look
        with pytest.raises(ProjectNotFound):
            await stranger.roll_back(1)
        await stranger.save({"mine.txt": b"1"})
    assert await client.content() == SITE
