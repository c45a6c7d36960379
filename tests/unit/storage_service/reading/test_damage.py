"""Damage is logged, counted and reported; reporting never delays the reader."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from storage_service.metadata.reservations import Reservations
from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore.values import ObjectRef
from storage_service.reading import damage as module
from storage_service.reading.damage import DamageCounts, DamageReporter
from strongroom.errors import DatabaseUnavailable, InternalTokenInvalid, ServiceUnavailable, StrongroomError
from strongroom.metadata.v1 import reservation_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED, BLOB_STATE_DELETING
from strongroom.metadata.v1.verification_service_pb2 import KeyRow

REF = ObjectRef("uploads/ada/a.bin", "v1")


class Owners(Reservations):
    """Replaces metadata_service. ``error``: its answer. ``gate``: an event that it waits for before it
    answers.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()
        self.told: list[tuple[ObjectRef, pb.Damage.ValueType]] = []

    async def report_damage(self, key: str, version_id: str, damage: pb.Damage.ValueType) -> None:
        self.told.append((ObjectRef(key, version_id), damage))
        await self.gate.wait()
        if self.error is not None:
            raise self.error


class Rows(VerificationRecords):
    """The rows of all keys; an error instead."""

    def __init__(self, *rows: KeyRow, error: StrongroomError | None = None) -> None:
        self.rows = rows
        self.error = error

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        if self.error is not None:
            raise self.error
        return KeysNow({key: [row for row in self.rows if row.key == key] for key in keys}, frozenset())


def counted(counts: DamageCounts) -> dict[str, float]:
    (family,) = counts.collect()
    return {sample.labels["kind"]: sample.value for sample in family.samples}


async def test_each_is_logged_and_counted_and_told_once() -> None:
    owners, counts = Owners(), DamageCounts()
    reporter = DamageReporter(owners, Rows(), counts)
    with capture_logs() as logs:
        for _ in range(3):
            reporter.report("corrupt", REF, size=5)
        reporter.report("lost", ObjectRef(REF.key, "v2"))
        await reporter.aclose()
    assert counted(counts) == {"corrupt": 3, "lost": 1}
    assert [(entry["log_level"], entry["kind"], entry["key"]) for entry in logs] == [
        ("error", "corrupt", REF.key)
    ] * 3 + [("error", "lost", REF.key)]
    assert owners.told == [(REF, pb.DAMAGE_CORRUPT), (ObjectRef(REF.key, "v2"), pb.DAMAGE_LOST)]


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailable("away", retry_after=1),
        DatabaseUnavailable("away", retry_after=1),
        InternalTokenInvalid("refused"),
        RuntimeError("a bug"),
    ],
)
async def test_who_can_not_be_told_is_told_by_a_later_reader(
    error: Exception,
) -> None:
    owners, counts = Owners(error), DamageCounts()
    reporter = DamageReporter(owners, Rows(), counts)
    with capture_logs() as logs:
        reporter.report("lost", REF)
        await reporter.aclose()
        reporter.report("lost", REF)  # at once: metadata_service is not asked again
        await reporter.aclose()
    assert [entry["event"] for entry in logs] == ["object_damaged", "damage_untold", "object_damaged"]
    assert (counted(counts)["lost"], len(owners.told)) == (2, 1)
    owners.error = None
    reporter._reports._quiet_until.clear()  # as after ten seconds
    reporter.report("lost", REF)
    await reporter.aclose()
    assert len(owners.told) == 2


async def test_a_store_that_lost_everything_is_no_flood() -> None:
    owners, counts = Owners(), DamageCounts()
    owners.gate.clear()
    reporter = DamageReporter(owners, Rows(), counts)
    for number in range(500):
        reporter.report("lost", ObjectRef(f"uploads/{number}", "v"))
    await asyncio.sleep(0)
    assert len(owners.told) == module.MOST_TELLING
    owners.gate.set()
    await reporter.aclose()
    reporter.report("lost", ObjectRef("uploads/499", "v"))  # for which there was no room
    await reporter.aclose()
    assert owners.told[-1][0].key == "uploads/499"
    assert counted(counts)["lost"] == 501


HERE = KeyRow(key=REF.key, version_id="v1", etag="e1", state=BLOB_STATE_COMMITTED)
DELETED = KeyRow(key=REF.key, version_id="v1", etag="e1", state=BLOB_STATE_DELETING)
NEXT = KeyRow(key=REF.key, version_id="v2", etag="e2", state=BLOB_STATE_COMMITTED)
UNVERSIONED = KeyRow(key=REF.key, etag="e1", state=BLOB_STATE_COMMITTED)
UNVERSIONED_NEXT = KeyRow(key=REF.key, etag="e2", state=BLOB_STATE_COMMITTED)


@pytest.mark.parametrize(
    ("version", "rows", "removed"),
    [
        ("v1", [HERE], False),
        ("v1", [DELETED], True),
        ("v1", [], True),
        ("v1", [DELETED, NEXT], True),
        ("v2", [HERE, NEXT], False),
        ("v1", [KeyRow(key=REF.key, version_id="v1", etag="e9", state=BLOB_STATE_COMMITTED)], False),
        (None, [UNVERSIONED], False),
        (None, [UNVERSIONED_NEXT], True),
    ],
)
async def test_what_went_with_its_file_is_no_damage(
    version: str | None, rows: list[KeyRow], *, removed: bool
) -> None:
    reporter = DamageReporter(Owners(), Rows(*rows), DamageCounts())
    etag = "e2" if version == "v2" else "e1"
    assert await reporter.is_removed(ObjectRef(REF.key, version), etag) is removed


async def test_what_can_not_be_looked_up_counts_as_damage() -> None:
    away = Rows(error=ServiceUnavailable("away", retry_after=1))
    reporter = DamageReporter(Owners(), away, DamageCounts())
    assert not await reporter.is_removed(REF, "e1")
