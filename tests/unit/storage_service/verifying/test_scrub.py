"""The scrub: which objects it reads, at which rate, and its reports of damage."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from servicekit.background import Heartbeat
from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore import checksums
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.reading.damage import DamageReporter
from storage_service.reading.pace import Pace
from storage_service.verifying import scrub as module
from storage_service.verifying.findings import ref_of
from storage_service.verifying.metrics import VerificationMetrics
from storage_service.verifying.readback import RANGE_BYTES, Seen, read_back
from storage_service.verifying.scrub import Scrub
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED, BLOB_STATE_DELETING
from strongroom.metadata.v1.reservation_service_pb2 import DAMAGE_CORRUPT, DAMAGE_LOST
from strongroom.metadata.v1.verification_service_pb2 import ClaimScrubResponse, KeyRow, ScrubResult
from tests.doubles.memory_store import MemoryObjectStore


class Records:
    """Returns its rows once. ``now``: the rows' state when they are looked up again."""

    def __init__(self, *rows: KeyRow) -> None:
        self.rows = list(rows)
        self.now = {row.key: [row] for row in rows}
        self.results: list[ScrubResult] = []

    async def claim_scrub(self, limit: int) -> ClaimScrubResponse:
        claimed, self.rows = self.rows[:limit], self.rows[limit:]
        return ClaimScrubResponse(rows=claimed, unchecked=len(self.rows))

    async def report_scrub(self, results: Sequence[ScrubResult]) -> None:
        self.results += results

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        return KeysNow({key: self.now[key] for key in keys}, frozenset())


class Damage:
    """Records reports."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, str]] = []

    def report(self, damage: str, ref: ObjectRef, **facts: object) -> None:
        assert facts["by"] == "scrub"
        self.reported.append((damage, ref.key))


async def may_work() -> bool:
    return True


async def stored(store: MemoryObjectStore, body: bytes) -> KeyRow:
    key, crc32c = f"uploads/u/{uuid.uuid4()}.bin", checksums.crc32c_of([body])
    put = await store.put(key, [body], size=len(body), crc32c=crc32c, attrs=ObjectAttributes())
    return KeyRow(
        owner_id="u",
        blob_id=str(uuid.uuid4()),
        state=BLOB_STATE_COMMITTED,
        key=key,
        version_id=put.version_id or "",
        size_bytes=len(body),
        crc32c=crc32c,
    )


async def scrubbed(
    store: MemoryObjectStore, records: Records, heartbeat: Heartbeat | None = None
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return damage by blob as reported to the database, and the reports to the DamageReporter."""
    damage = Damage()
    scrub = Scrub(
        store,
        cast("VerificationRecords", records),
        cast("DamageReporter", damage),
        heartbeat or Heartbeat("scrub", 1.0),
        VerificationMetrics(),
        pace=Pace(0),
        may_work=may_work,
    )
    assert await scrub.run_once()
    assert not await scrub.run_once()
    return {result.blob_id: result.damage for result in records.results}, damage.reported


@pytest.mark.parametrize("size", [0, 1, RANGE_BYTES - 1, RANGE_BYTES, RANGE_BYTES + 1])
async def test_whole_objects_are_read_back(size: int) -> None:
    store = MemoryObjectStore()
    row = await stored(store, b"x" * size)
    seen = await read_back(store, ref_of(row), row.size_bytes, Pace(0))
    assert seen.fits(row)
    assert await scrubbed(store, Records(row)) == ({row.blob_id: 0}, [])


async def test_other_bytes_and_missing_objects_are_damage() -> None:
    store = MemoryObjectStore()
    right, rotten, short, lost = [await stored(store, body) for body in (b"aaaa", b"bbbb", b"cccc", b"dddd")]
    rotten.crc32c ^= 1
    short.size_bytes += 1
    await store.delete(ObjectRef(lost.key, lost.version_id))
    told, reported = await scrubbed(store, Records(right, rotten, short, lost))
    assert told == {
        right.blob_id: 0,
        rotten.blob_id: DAMAGE_CORRUPT,
        short.blob_id: DAMAGE_CORRUPT,
        lost.blob_id: DAMAGE_LOST,
    }
    assert reported == [("corrupt", rotten.key), ("corrupt", short.key), ("lost", lost.key)]


async def test_bytes_that_are_wrong_once_are_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first read met a fault on the way."""
    store = MemoryObjectStore()
    row = await stored(store, b"aaaa")
    reads: list[Seen] = []

    async def once_wrong(*args: Any) -> Seen:
        seen = await read_back(*args)
        reads.append(seen if reads else replace(seen, crc32c=seen.crc32c ^ 1))
        return reads[-1]

    monkeypatch.setattr(module, "read_back", once_wrong)
    assert await scrubbed(store, Records(row)) == ({row.blob_id: 0}, [])
    assert len(reads) == 2


async def test_archived_bytes_are_neither_damage_nor_a_failure() -> None:
    store = MemoryObjectStore()
    row = await stored(store, b"aaaa")
    store.archived.add(row.key)
    heartbeat = Heartbeat("scrub", 1.0)
    assert await scrubbed(store, Records(row), heartbeat) == ({}, [])
    assert heartbeat.failures == 0


async def test_what_was_deleted_meanwhile_is_no_damage() -> None:
    store = MemoryObjectStore()
    row = await stored(store, b"aaaa")
    records = Records(row)
    await store.delete(ObjectRef(row.key, row.version_id))
    gone = KeyRow()
    gone.CopyFrom(row)
    gone.state = BLOB_STATE_DELETING
    records.now[row.key] = [gone]
    assert await scrubbed(store, records) == ({}, [])


async def test_the_pace_is_kept_and_idle_time_is_not_caught_up() -> None:
    now, slept = 0.0, list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept.append(seconds)

    pace = Pace(100, clock=lambda: now, sleep=sleep)
    await pace.spend(50)
    await pace.spend(200)
    assert (now, slept) == (2.5, [0.5, 2.0])
    now += 100.0
    await pace.spend(100)
    assert slept[-1] == 1.0


def test_nothing_is_told_of_what_is_not_known() -> None:
    names: list[Any] = [metric.name for metric in VerificationMetrics().collect()]
    assert names == ["strongroom_verify_findings", "strongroom_scrub_objects", "strongroom_scrub_bytes"]


async def test_nothing_is_read_of_a_bucket_that_is_not_the_databases() -> None:
    async def may_not() -> bool:
        return False

    store = MemoryObjectStore()
    records = Records(await stored(store, b"abc"))
    scrub = Scrub(
        store,
        cast("VerificationRecords", records),
        cast("DamageReporter", Damage()),
        Heartbeat("scrub", 1.0),
        VerificationMetrics(),
        pace=Pace(0),
        may_work=may_not,
    )
    assert not await scrub.run_once()
    assert len(records.rows) == 1, "nothing was claimed"
