"""A row's error, of any kind, affects only that row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence

import pytest
import structlog.testing

from servicekit.background import Heartbeat, Heartbeats
from storage_service import failing_items
from storage_service.cleaner import cleaner as module
from storage_service.cleaner.assembly import cleaning_loops
from storage_service.cleaner.cleaner import Cleaner
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectNotFound, StoreUnavailable
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectRef
from strongroom.errors import DatabaseUnavailable
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import (
    BlobHandle,
    ClaimWorkResponse,
    CommitRequest,
    CommitResponse,
)
from tests.doubles.memory_store import MemoryObjectStore

POISON = "uploads/ada/3.bin"
ROWS = 12


Raised = Callable[[], BaseException | None]
"""Makes a new error for each raise: a reused one would collect a growing traceback."""


def raise_new(error: Raised) -> None:
    if made := error():
        raise made


class PoisonedStore(MemoryObjectStore):
    """A store in which one key can't be listed."""

    def __init__(self, error: Raised) -> None:
        super().__init__()
        self._error = error

    async def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        if prefix == POISON:
            raise_new(self._error)
        async for page in super().list_versions(prefix, after=after):
            yield page


class Work(Reservations):
    """Reservations that return the same rows until they are finished."""

    def __init__(self, rows: Sequence[blob_pb2.Blob]) -> None:
        self.rows = {row.id: row for row in rows}
        self.released: list[str] = []
        self.hidden: list[str] = []
        self.asked = 0
        self.release_error: Raised = lambda: None

    async def claim_work(self, limit: int, *, without: Collection[str] = ()) -> ClaimWorkResponse:
        rows = [row for row in self.rows.values() if row.owner_id not in without]
        return ClaimWorkResponse(blobs=rows[:limit])

    async def finish_removal(self, blob: BlobHandle, from_state: blob_pb2.BlobState.ValueType) -> None:
        del self.rows[blob.blob_id]

    async def release_work(self, blob: BlobHandle, *, hidden: bool = False, failure: str = "") -> None:
        self.released.append(blob.blob_id)
        if hidden:
            self.hidden.append(blob.blob_id)
            del self.rows[blob.blob_id]
        raise_new(self.release_error)

    async def commit(self, request: CommitRequest) -> CommitResponse:
        raise AssertionError("nothing is rolled forward here")

    async def abandon(self, blob: BlobHandle) -> None:
        raise AssertionError("nothing is given up here")

    async def filter_settled_keys(self, keys: list[str]) -> set[str]:
        return set()

    async def filter_unrecorded_versions(self, key: str, version_ids: list[str]) -> set[str]:
        self.asked += 1
        recorded = {row.version_id for row in self.rows.values() if row.key == key}
        return set(version_ids) - recorded


async def deleted_rows(store: MemoryObjectStore) -> list[blob_pb2.Blob]:
    rows = []
    for number in range(ROWS):
        key = f"uploads/ada/{number}.bin"
        await store.put(key, [b"x"], size=1, crc32c=crc32c_of([b"x"]), attrs=ObjectAttributes())
        rows.append(
            blob_pb2.Blob(
                id=str(number),
                key=key,
                kind=blob_pb2.BLOB_KIND_SINGLE,
                state=blob_pb2.BLOB_STATE_DELETING,
            )
        )
    return rows


ERRORS = [
    lambda: ValueError("not a date"),
    lambda: KeyError("VersionId"),
    lambda: TypeError("None"),
    lambda: OverflowError("year"),
    lambda: StoreUnavailable("damaged"),
    lambda: ExceptionGroup("parts", [AttributeError("x")]),
    asyncio.CancelledError,
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error()).__name__)
@pytest.mark.parametrize(
    "release_error",
    [lambda: None, lambda: DatabaseUnavailable("away"), lambda: ValueError("reply")],
    ids=lambda error: type(error()).__name__,
)
async def test_a_poison_row_stops_nobody_else(error: Raised, release_error: Raised) -> None:
    store = PoisonedStore(error)
    work = Work(await deleted_rows(store))
    work.release_error = release_error
    heartbeat = Heartbeat("cleaner", 1.0)
    cleaner = Cleaner(store, work, heartbeat, interval_seconds=1.0)
    for _ in range(3):
        await cleaner.run_once()
    assert list(work.rows) == ["3"]
    if error is not asyncio.CancelledError:  # the claim of a cancelled one expires
        assert work.released == ["3"] * 3
        assert heartbeat.failures == 3


async def test_a_store_that_is_away_is_one_line_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing_items, "QUIET_SECONDS", 0.0)
    away = [True]
    store = PoisonedStore(lambda: StoreUnavailable() if away[0] else None)
    rows = [
        blob_pb2.Blob(
            id=str(n), key=POISON, kind=blob_pb2.BLOB_KIND_SINGLE, state=blob_pb2.BLOB_STATE_DELETING
        )
        for n in range(3)
    ]
    work = Work(rows)
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 5.0), interval_seconds=5.0)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await cleaner.run_once()
        assert [line["event"] for line in lines] == ["cleaner_step_failed"]
        assert len(work.released) == 6
        away[0] = False
        await cleaner.run_once()
        away[0] = True
        work.rows = {row.id: row for row in rows}
        await cleaner.run_once()
    assert [line["event"] for line in lines] == [
        "cleaner_step_failed",
        "cleaner_steps_again",
        "cleaner_step_failed",
    ]


async def test_a_failing_claim_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", ROWS)
    store = MemoryObjectStore()
    work = Work(await deleted_rows(store))
    claim, errors = work.claim_work, [ValueError("reply"), KeyError("blobs"), DatabaseUnavailable("away")]

    async def failing(limit: int, *, without: Collection[str] = ()) -> ClaimWorkResponse:
        if errors:
            raise errors.pop()
        return await claim(limit, without=without)

    work.claim_work = failing  # type: ignore[method-assign]
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=0.001)
    task = asyncio.create_task(cleaner.loop.run())
    async with asyncio.timeout(60):
        while work.rows:  # noqa: ASYNC110 - the loop under test empties it
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not errors


async def test_what_the_restore_window_keeps_is_hidden_and_nothing_more() -> None:
    store = MemoryObjectStore()
    rows = await deleted_rows(store)
    for row in rows:
        row.hide_only = row.id != "0"
        row.version_id = (await store.head(ObjectRef(row.key))).version_id or ""
    work = Work(rows)
    await Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=1.0).run_once()
    assert not work.rows
    assert len(work.hidden) == ROWS - 1
    for row in rows[1:]:
        with pytest.raises(ObjectNotFound):
            await store.head(ObjectRef(row.key))
        assert (await store.head(ObjectRef(row.key, row.version_id))).size == 1
    assert not [version async for page in store.list_versions(rows[0].key) for version in page
                if version.key == rows[0].key]  # fmt: skip


@pytest.mark.parametrize("is_mine", [True, False])
async def test_in_the_bucket_of_another_database_nothing_is_claimed(is_mine: bool) -> None:
    store, settled = MemoryObjectStore(), []
    work = Work(await deleted_rows(store))

    async def may_remove() -> bool:
        return is_mine

    async def settle() -> bool:
        settled.append(1)
        return False

    loops = cleaning_loops(
        store, work, settle, Heartbeats(), may_remove=may_remove, often=60, seldom=0.001, enabled=True
    )
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    for _ in range(200):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (len(work.rows) < ROWS) is bool(settled) is is_mine
