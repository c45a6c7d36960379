"""Requested restores are checked until the object can be read, and not too often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from servicekit.background import Heartbeat
from storage_service.metadata.contents import ArchiveRecords
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.values import ObjectAttributes, ObjectInfo, ObjectRef
from storage_service.reading import restores
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.restores import RestoreWatch
from strongroom.errors import DatabaseUnavailable
from strongroom.metadata.v1.archive_service_pb2 import ArchivedContent
from tests.doubles.memory_store import MemoryObjectStore

BODY = b"old bytes"


class Records(ArchiveRecords):
    """Replaces metadata_service. Every restore in progress is due."""

    def __init__(self) -> None:
        self.waited_for: dict[str, ArchivedContent] = {}
        self.came_back: list[str] = []
        self.claims = 0
        self.is_away = False

    async def note(self, key: str, version_id: str) -> None:
        """See ArchiveRecords.note."""
        if self.is_away:
            raise DatabaseUnavailable("away")
        content = self.waited_for.setdefault(key, ArchivedContent(key=key, version_id=version_id))
        content.ask_time.FromDatetime(datetime.now(UTC))

    async def claim(self, limit: int, pause: timedelta) -> Sequence[ArchivedContent]:
        """See ArchiveRecords.claim."""
        self.claims += 1
        return list(self.waited_for.values())[:limit]

    async def readable(self, content: ArchivedContent, until: datetime | None) -> None:
        """See ArchiveRecords.readable."""
        await self.given_up(content)
        self.came_back.append(content.key)

    async def given_up(self, content: ArchivedContent) -> None:
        """See ArchiveRecords.given_up."""
        del self.waited_for[content.key]


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def watch(store: MemoryObjectStore, records: Records) -> RestoreWatch:
    return RestoreWatch(store, records, Heartbeat("restores", 60), often_seconds=60)


async def archived(store: MemoryObjectStore, key: str) -> ObjectRef:
    put = await store.put(key, [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=ObjectAttributes())
    store.archived.add(key)
    return ObjectRef(key, put.version_id)


async def asked_back(store: MemoryObjectStore, records: Records, ref: ObjectRef) -> None:
    objects = ArchivedObjects(store, records)
    objects.ask_back(ref)
    await objects.aclose()


async def test_it_is_waited_for_until_it_can_be_read(
    store: MemoryObjectStore, records: Records, watch: RestoreWatch
) -> None:
    await asked_back(store, records, await archived(store, "a"))
    for _ in range(3):
        assert not await watch.run_once()
    assert (list(records.waited_for), records.came_back) == (["a"], [])
    store.archived.clear()
    await watch.run_once()
    await watch.run_once()
    assert (list(records.waited_for), records.came_back) == ([], ["a"])


async def test_what_nothing_brings_back_is_given_up_after_a_while(
    store: MemoryObjectStore, records: Records, watch: RestoreWatch
) -> None:
    await asked_back(store, records, await archived(store, "a"))
    store.asked_back.clear()  # the store has forgotten the request, or never got it
    await watch.run_once()
    assert list(records.waited_for) == ["a"]
    records.waited_for["a"].ask_time.FromDatetime(datetime.now(UTC) - timedelta(hours=2))
    with capture_logs() as logs:
        await watch.run_once()
    assert (list(records.waited_for), records.came_back) == ([], [])
    assert [line["event"] for line in logs] == ["restore_came_to_nothing"]


async def test_what_was_deleted_meanwhile_is_given_up(
    store: MemoryObjectStore, records: Records, watch: RestoreWatch
) -> None:
    ref = await archived(store, "a")
    await asked_back(store, records, ref)
    await store.delete(ref)
    await watch.run_once()
    assert (list(records.waited_for), records.came_back) == ([], [])


async def test_one_that_can_not_be_looked_at_spoils_no_other(
    store: MemoryObjectStore, records: Records, watch: RestoreWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a", "b"):
        await asked_back(store, records, await archived(store, key))
    store.archived.clear()
    head = store.head

    async def away_for_a(ref: ObjectRef) -> ObjectInfo:
        if ref.key == "a":
            raise StoreUnavailable(operation="HeadObject")
        return await head(ref)

    monkeypatch.setattr(store, "head", away_for_a)
    await watch.run_once()
    assert (list(records.waited_for), records.came_back) == (["a"], ["b"])


async def test_a_pass_has_a_bound(
    store: MemoryObjectStore, records: Records, watch: RestoreWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restores, "MOST_LOOKS", 4)
    monkeypatch.setattr(restores, "BATCH", 2)
    for number in range(9):
        await asked_back(store, records, await archived(store, str(number)))
    assert not await watch.run_once()
    assert records.claims == 2


async def test_what_could_not_be_noted_the_next_reader_notes(
    store: MemoryObjectStore, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.1]
    monkeypatch.setattr("storage_service.reading.throttle.time.monotonic", lambda: clock[0])
    ref, objects = await archived(store, "a"), ArchivedObjects(store, records)
    records.is_away = True
    objects.ask_back(ref)
    await objects.aclose()
    assert list(records.waited_for) == []
    records.is_away, clock[0] = False, 11.0
    objects.ask_back(ref)
    await objects.aclose()
    assert list(records.waited_for) == ["a"]
