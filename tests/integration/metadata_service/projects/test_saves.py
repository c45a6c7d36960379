"""BeginSave, ReserveFiles, RecordFiles, CommitSave on a real Postgres."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from metadata_service.config import Limits
from strongroom.errors import (
    FileCountExceeded,
    InvalidField,
    PathInvalid,
    PreconditionFailed,
    ProjectNotFound,
    QuotaExceeded,
    RequestInProgress,
    UploadSuperseded,
    VersionConflict,
    VersionNotFound,
)
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.project_pb2 import ProjectFile
from tests.integration.metadata_service.projects.saving import Projects, entries, hashes

ONE = {"index.html": b"<html>", "src/app.js": b"app", "src/ü.css": b""}
TWO = {"index.html": b"<html>2", "src/app.js": b"app", "new.txt": b"new"}


async def test_a_first_save_makes_version_one(projects: Projects) -> None:
    saved = await projects.save(ONE, name="My site")
    assert (saved.version.version, saved.version.added, saved.version.file_count) == (1, 3, 3)
    assert (saved.project.name, saved.project.slug, saved.project.size_bytes) == ("My site", "site", 9)
    assert await projects.content() == hashes(ONE)
    assert projects.blob_states() == [3, 3, 3]
    assert projects.usage() == (9, 3)
    assert projects.counts("project_saves", "project_save_files", "project_keys") == [0, 0, 0]


async def test_a_large_file_may_have_a_small_checksum(projects: Projects) -> None:
    """The driver applies the type that the first array needs to all arrays of a statement."""
    saved = await projects.save({"large.bin": bytes(70_000)})
    assert saved.version.size_bytes == 70_000


async def test_what_is_unchanged_keeps_its_blob(projects: Projects) -> None:
    await projects.save(ONE)
    before = await projects.manifest()
    saved = await projects.save(TWO)
    after = await projects.manifest()
    version = saved.version
    assert (version.version, version.added, version.changed, version.removed) == (2, 1, 1, 1)
    assert after["src/app.js"].version_id == before["src/app.js"].version_id
    assert after["index.html"].version_id != before["index.html"].version_id
    assert await projects.content(1) == hashes(ONE)
    assert await projects.content(2) == hashes(TWO)
    assert projects.usage() == (9 + 7 + 3, 5)  # each blob once, in however many versions


async def test_a_path_that_is_gone_is_to_be_looked_at(projects: Projects) -> None:
    await projects.save(ONE)
    assert projects.due_keys() == []
    await projects.save(TWO)
    assert projects.due_keys() == ["src/ü.css"]


async def test_a_path_that_comes_back_is_to_be_looked_at(projects: Projects) -> None:
    for files in (ONE, TWO, TWO | {"other.txt": b""}):
        await projects.save(files)
    projects.world.logins.change("DELETE FROM project_keys WHERE owner_id = %s", projects.owner)
    await projects.save(ONE)
    assert projects.due_keys() == ["new.txt", "other.txt", "src/ü.css"]


async def test_keys_hold_owner_slug_and_path(projects: Projects) -> None:
    await projects.save({"a b/ü.txt": b"1"})
    (file,) = (await projects.manifest()).values()
    assert file.key == f"projects/{projects.owner}/site/a b/ü.txt"


async def test_an_empty_project_is_a_version_too(projects: Projects) -> None:
    await projects.save(ONE)
    saved = await projects.save({})
    assert (saved.version.file_count, saved.version.removed) == (0, 3)
    assert await projects.manifest() == {}


async def test_one_save_at_a_time(projects: Projects) -> None:
    begun = await projects.begin()
    with pytest.raises(RequestInProgress) as caught:
        await projects.begin()
    assert caught.value.retry_after is not None
    await projects.commit(begun.save_id, [], 0)
    assert (await projects.begin()).base_version == 1


async def test_first_saves_at_once_make_one_project(projects: Projects) -> None:
    results = await asyncio.gather(*(projects.save(ONE) for _ in range(4)), return_exceptions=True)
    made = [result.version.version for result in results if isinstance(result, pb.CommitSaveResponse)]
    assert sorted(made) == list(range(1, len(made) + 1))
    assert made
    others = [result for result in results if not isinstance(result, pb.CommitSaveResponse)]
    assert all(isinstance(result, RequestInProgress) for result in others)


async def test_expected_versions(projects: Projects) -> None:
    with pytest.raises(VersionConflict) as caught:
        await projects.begin(expected_version=1)
    assert caught.value.metadata == {"expected": "1", "actual": "0"}
    assert projects.counts("projects") == [0]  # nothing is left of a refused first save
    await projects.save(ONE, expected_version=0)
    with pytest.raises(VersionConflict):
        await projects.begin(expected_version=0)
    await projects.save(TWO, expected_version=1)
    with pytest.raises(VersionConflict):
        await projects.begin(expected_version=1)


async def test_a_project_that_must_exist(projects: Projects) -> None:
    with pytest.raises(ProjectNotFound):
        await projects.begin(must_exist=True)
    assert projects.counts("projects") == [0]


@pytest.mark.parametrize("slug", ["", "A", "-a", "a/b", "a.b", "ü", "a\n"])
async def test_slugs_that_are_refused(projects: Projects, slug: str) -> None:
    projects.slug = slug
    with pytest.raises(InvalidField):
        await projects.begin()


async def test_a_repeated_commit_answers_the_same(projects: Projects) -> None:
    begun = await projects.begin()
    written = entries(await projects.reserve(begun.save_id, ONE), ONE)
    first = await projects.commit(begun.save_id, written, 3, tech_stack=["React"], has_frontend=True)
    await projects.save(TWO)
    again = await projects.commit(begun.save_id, written, 3)
    assert again.version == first.version
    assert (again.project.version, list(again.project.tech_stack), again.project.has_frontend) == (
        1,
        ["React"],
        True,
    )


async def test_a_commit_without_all_files_is_refused(projects: Projects) -> None:
    begun = await projects.begin()
    written = entries(await projects.reserve(begun.save_id, ONE), ONE)
    with pytest.raises(InvalidField):
        await projects.commit(begun.save_id, written[:-1], 3)
    with pytest.raises(InvalidField):
        await projects.commit(begun.save_id, written, 4)
    await projects.commit(begun.save_id, written, 3)


async def test_files_are_told_in_batches(projects: Projects) -> None:
    begun = await projects.begin()
    written = entries(await projects.reserve(begun.save_id, ONE), ONE)
    request = pb.RecordFilesRequest(save_id=begun.save_id, owner_id=projects.owner, entries=written[:2])
    await projects.writing.record(request)
    await projects.writing.record(request)  # its reply was lost
    await projects.commit(begun.save_id, written[2:], 3)
    assert await projects.content() == hashes(ONE)


async def test_keys_of_doubtful_files_are_looked_at_once_more(projects: Projects) -> None:
    begun = await projects.begin()
    written = entries(await projects.reserve(begun.save_id, ONE), ONE)
    written[0].doubtful = True
    request = pb.RecordFilesRequest(save_id=begun.save_id, owner_id=projects.owner, entries=written)
    await projects.writing.record(request)
    written[0].doubtful = False  # it was reported before, which counts
    await projects.commit(begun.save_id, written, 3)
    rows = projects.world.logins.rows(
        "SELECT version_id, object_metadata->>'strongroom-attempt' FROM blobs"
        " WHERE owner_id = %s AND kind = 4",
        projects.owner,
    )
    assert rows == [(written[0].file.version_id, written[0].blob_id)]


async def test_what_was_not_reserved_cannot_be_told(projects: Projects) -> None:
    begun = await projects.begin()
    written = entries(await projects.reserve(begun.save_id, ONE), ONE)
    written[0].file.size_bytes += 1
    with pytest.raises(InvalidField):
        await projects.commit(begun.save_id, written, 3)
    written[0].file.size_bytes -= 1
    written[0].file.version_id = ""
    with pytest.raises(InvalidField):
        await projects.commit(begun.save_id, written, 3)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/abs", "empty_segment"),
        ("a//b", "empty_segment"),
        ("a/../b", "dot_segment"),
        ("a\\b", "characters"),
        ("x" * 1000, "max_key_bytes"),
    ],
)
async def test_paths_that_are_refused(projects: Projects, path: str, rule: str) -> None:
    begun = await projects.begin()
    with pytest.raises(PathInvalid) as caught:
        await projects.reserve(begun.save_id, {path: b""})
    assert caught.value.metadata["rule"] == rule


async def test_a_path_given_twice_is_refused(projects: Projects) -> None:
    begun = await projects.begin()
    await projects.reserve(begun.save_id, {"é": b"1"})
    with pytest.raises(PathInvalid) as caught:
        await projects.reserve(begun.save_id, {"e\u0301": b"2"})  # the same in NFC
    assert caught.value.metadata["rule"] == "duplicate_path"


async def test_a_file_that_must_be_unchanged(projects: Projects) -> None:
    await projects.save(ONE)
    begun = await projects.begin()
    (kept,) = await projects.reserve(begun.save_id, {"index.html": b"<html>"}, must_be_unchanged=True)
    assert kept.id == ""
    with pytest.raises(PreconditionFailed):
        await projects.reserve(begun.save_id, {"src/app.js": b"other"}, must_be_unchanged=True)


async def test_quota_counts_what_is_written(projects: Projects) -> None:
    await projects.save(ONE)
    tight = projects.but(limits=Limits(bytes=12))
    with pytest.raises(QuotaExceeded):
        await tight.save({**ONE, "more.txt": b"1234"})
    begun_again = projects.but(limits=Limits(bytes=12, files=4))
    projects.let_lease_run_out()
    await begun_again.save({**ONE, "more.txt": b"123"})
    with pytest.raises(FileCountExceeded):
        await begun_again.save({**ONE, "more.txt": b"123", "a": b"", "b": b""})


async def test_a_rollback_takes_the_technologies_over(projects: Projects) -> None:
    begun = await projects.begin()
    await projects.commit(begun.save_id, [], 0, tech_stack=["Vue"], has_frontend=True)
    await projects.save({})
    begun = await projects.begin()
    rolled = await projects.commit(begun.save_id, [], 0, rolled_back_to=1)
    assert (rolled.version.rolled_back_to, list(rolled.project.tech_stack)) == (1, ["Vue"])
    begun = await projects.begin()
    with pytest.raises(VersionNotFound):
        await projects.commit(begun.save_id, [], 0, rolled_back_to=9)


async def test_after_its_end_a_save_can_do_nothing(projects: Projects) -> None:
    begun = await projects.begin()
    blobs = await projects.reserve(begun.save_id, ONE)
    await projects.abandon(begun.save_id)
    await projects.abandon(begun.save_id)
    for step in (
        projects.reserve(begun.save_id, TWO),
        projects.commit(begun.save_id, entries(blobs, ONE), 3),
        projects.writing.renew(projects.owner, UUID(begun.save_id)),
    ):
        with pytest.raises(UploadSuperseded):
            await step


async def test_the_executable_bit(projects: Projects) -> None:
    """It stays if a save does not name it; a file that differs only in it has changed."""
    files = {"run.sh": b"#!", "plain": b"text"}

    async def save(told: dict[str, bool | None]) -> dict[str, bool]:
        begun = await projects.begin()
        blobs = []
        for path, executable in told.items():
            more = {} if executable is None else {"executable": executable}
            blobs += await projects.reserve(begun.save_id, {path: files[path]}, **more)
        written = [
            one
            for blob, path in zip(blobs, told, strict=True)
            if blob.id
            for one in entries([blob], {path: files[path]})
        ]
        saved = await projects.commit(begun.save_id, written, len(told))
        changes.append(saved.version.changed)
        return {path: file.executable for path, file in (await projects.manifest()).items()}

    changes: list[int] = []
    assert await save({"run.sh": True, "plain": None}) == {"run.sh": True, "plain": False}
    assert await save({"run.sh": None, "plain": None}) == {"run.sh": True, "plain": False}
    assert await save({"run.sh": True, "plain": True}) == {"run.sh": True, "plain": True}
    assert await save({"run.sh": False, "plain": None}) == {"run.sh": False, "plain": True}
    assert changes == [0, 0, 1, 1]
    first = {path: file.executable for path, file in (await projects.manifest(1)).items()}
    assert first == {"run.sh": True, "plain": False}
    begun = await projects.begin()
    with pytest.raises(PreconditionFailed):
        await projects.reserve(begun.save_id, {"plain": b"text"}, executable=False, must_be_unchanged=True)


@pytest.mark.parametrize("sizes", [(1, 7), (70_000, 5_000_000_000), (3, 70_000)])
async def test_numbers_of_any_size_in_one_batch(projects: Projects, sizes: tuple[int, int]) -> None:
    begun = await projects.begin()
    asked = [
        pb.FileReservation(path=str(size), content_type="text/plain", size_bytes=size, sha256=b"h" * 32)
        for size in sizes
    ]
    request = pb.ReserveFilesRequest(save_id=begun.save_id, owner_id=projects.owner, files=asked)
    blobs = await projects.writing.reserve(request)
    written = [
        pb.ManifestEntry(
            blob_id=blob.id,
            file=ProjectFile(version_id="v", size_bytes=size, crc32c=min(size, 0xFFFFFFFF)),
        )
        for blob, size in zip(blobs, sizes, strict=True)
    ]
    saved = await projects.commit(begun.save_id, written, 2)
    assert saved.version.size_bytes == sum(sizes)
