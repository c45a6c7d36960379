"""KeySettler with the in-memory bucket: current objects become those of the newest version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from storage_service.metadata.projects import ProjectSaves
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound, StoreUnavailable
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectRef
from storage_service.projects import settler
from storage_service.projects.settler import KeySettler
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from tests.doubles.memory_store import MemoryObjectStore

RIGHT, MENDED, LATER = pb.KEY_OUTCOME_RIGHT, pb.KEY_OUTCOME_MENDED, pb.KEY_OUTCOME_LATER
KEY = "projects/ada/site/a"


class Work(ProjectSaves):
    """The work of one key. ``reports``: the reports received."""

    def __init__(self, key: pb.ProjectKey) -> None:
        self._keys = [key]
        self.reports: list[pb.KeyReport] = []

    async def claim_keys(self, limit: int, owner_id: str = "", slug: str = "") -> Sequence[pb.ProjectKey]:
        keys, self._keys = self._keys, []
        return keys

    async def report_keys(self, reports: Sequence[pb.KeyReport]) -> None:
        self.reports.extend(reports)


async def put(store: MemoryObjectStore, attempt: str, key: str = KEY) -> str:
    body = attempt.encode()
    attrs = ObjectAttributes(metadata={"strongroom-attempt": attempt})
    result = await store.put(key, [body], size=len(body), crc32c=checksums.extend(0, body), attrs=attrs)
    assert result.version_id is not None
    return result.version_id


async def settle(store: MemoryObjectStore, **key: object) -> int:
    work = Work(pb.ProjectKey(owner_id="ada", key=KEY, epoch=3, **key))  # type: ignore[arg-type]
    await KeySettler(store, work).run_once()
    (report,) = work.reports
    assert (report.owner_id, report.key, report.epoch) == ("ada", KEY, 3)
    return report.outcome


async def current(store: MemoryObjectStore) -> str | None:
    try:
        return (await store.head(ObjectRef(KEY))).metadata["strongroom-attempt"]
    except ObjectNotFound:
        return None


async def markers(store: MemoryObjectStore) -> int:
    return len([v async for page in store.list_versions(KEY) for v in page if v.is_delete_marker])


async def test_a_path_that_is_gone_gets_one_marker() -> None:
    store = MemoryObjectStore()
    await put(store, "one")
    assert await settle(store, has_versions=True) == MENDED
    assert await settle(store, has_versions=True) == RIGHT
    assert (await current(store), await markers(store)) == (None, 1)


async def test_markers_below_the_wanted_version_go() -> None:
    store = MemoryObjectStore()
    await put(store, "one")
    await store.delete(ObjectRef(KEY))
    wanted = await put(store, "two")
    assert await settle(store, wanted_version_id=wanted, wanted_blob_id="two", has_versions=True) == MENDED
    assert (await current(store), await markers(store)) == ("two", 0)
    assert await settle(store, wanted_version_id=wanted, wanted_blob_id="two", has_versions=True) == RIGHT


async def test_a_late_marker_on_top_goes() -> None:
    store = MemoryObjectStore()
    wanted = await put(store, "one")
    await store.delete(ObjectRef(KEY))
    assert await settle(store, wanted_version_id=wanted, wanted_blob_id="one", has_versions=True) == MENDED
    assert (await current(store), await markers(store)) == ("one", 0)


async def test_a_second_version_of_the_same_attempt_goes() -> None:
    store = MemoryObjectStore()
    wanted = await put(store, "one")
    await put(store, "one")
    assert await settle(store, wanted_version_id=wanted, wanted_blob_id="one", has_versions=True) == MENDED
    assert (await store.head(ObjectRef(KEY))).version_id == wanted


async def test_what_a_dead_save_left_on_top_is_waited_for() -> None:
    store = MemoryObjectStore()
    wanted = await put(store, "one")
    dead = await put(store, "dead")
    told = {"wanted_version_id": wanted, "wanted_blob_id": "one", "has_versions": True}
    assert await settle(store, **told, is_busy=True, busy_blob_ids=["dead"]) == LATER
    await store.delete(ObjectRef(KEY, dead))
    assert await settle(store, **told) == RIGHT


async def test_no_marker_on_what_is_being_written() -> None:
    store = MemoryObjectStore()
    await put(store, "one")
    await put(store, "pending")
    assert await settle(store, has_versions=True, is_busy=True, busy_blob_ids=["pending"]) == LATER
    assert await markers(store) == 0


async def test_a_deleted_projects_markers_go_when_its_objects_are_gone() -> None:
    store = MemoryObjectStore()
    version = await put(store, "one")
    await store.delete(ObjectRef(KEY))
    assert await settle(store, is_busy=True) == LATER
    assert await settle(store) == LATER  # an object still exists
    await store.delete(ObjectRef(KEY, version))
    assert await settle(store) == MENDED
    assert await markers(store) == 0
    assert await settle(store) == RIGHT


async def test_keys_that_begin_alike_are_left_alone() -> None:
    store = MemoryObjectStore()
    await put(store, "one")
    await put(store, "neighbour", KEY + "b")
    await put(store, "below", KEY + "/c")
    assert await settle(store, has_versions=True) == MENDED
    assert [v.key async for page in store.list_versions(KEY) for v in page if v.is_delete_marker] == [KEY]


async def test_an_old_claim_makes_no_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "CLAIM_SECONDS", -1.0)
    store = MemoryObjectStore()
    await put(store, "one")
    assert await settle(store, has_versions=True) == LATER
    assert await markers(store) == 0


async def test_a_store_that_fails_is_tried_again_later() -> None:
    class Failing(MemoryObjectStore):
        async def list_versions(
            self, prefix: str, *, after: str = ""
        ) -> AsyncIterator[Sequence[ListedVersion]]:
            if prefix:
                raise StoreUnavailable(operation="ListObjectVersions")
            yield []

    assert await settle(Failing(), has_versions=True) == LATER


async def test_settling_after_a_save_never_fails_it() -> None:
    class Gone(Work):
        async def claim_keys(self, limit: int, owner_id: str = "", slug: str = "") -> Sequence[pb.ProjectKey]:
            raise ServiceUnavailable("metadata_service does not answer")

    await KeySettler(MemoryObjectStore(), Gone(pb.ProjectKey())).settle_project("ada", "site")
