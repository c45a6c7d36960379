"""Loops in which one item fails, or all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import cast

import pytest
import structlog

from servicekit.background import Heartbeat
from storage_service.failing_items import QUIET_SECONDS, FailingItems
from storage_service.media.loop import MediaLoop
from storage_service.media.reader import MediaReader
from storage_service.metadata.contents import ArchiveRecords, MediaRecords, ScanRecords
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import AccessDenied, StoreError, StoreUnavailable
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.damage import DamageCounts, DamageReporter
from storage_service.reading.restores import RestoreWatch
from storage_service.scanning.refusals import Refusals
from storage_service.uploads.importing.importer import ImportLimits, TellingImporter
from strongroom.errors import (
    ContentInfected,
    DatabaseUnavailable,
    FileNotFound,
    ServiceUnavailable,
    StrongroomError,
)
from strongroom.metadata.v1.archive_service_pb2 import ArchivedContent
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.media_info_service_pb2 import ClaimUnreadResponse
from strongroom.metadata.v1.target_pb2 import UploadSpec


class Away:
    """Replaces a store, a reader and their records: ten items, all of which fail."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self._error = error

    async def head(self, _: object) -> object:
        raise self._error()

    async def read(self, _: object) -> object:
        raise self._error()


class Untellable:
    """A metadata_service that is down."""

    async def _away(self, *_: object) -> None:
        raise ServiceUnavailable("x")

    report_damage = refused = report_import_failure = _away


class Contents(Away):
    async def claim(self, limit: int, pause: timedelta) -> Sequence[ArchivedContent]:
        return [ArchivedContent(key=f"k{n}") for n in range(10)]


class Files(Away):
    async def claim(self, limit: int) -> ClaimUnreadResponse:
        return ClaimUnreadResponse(files=[File(id=str(n)) for n in range(10)])


@pytest.mark.parametrize(
    ("error", "told"), [(StoreUnavailable, 1), (lambda: ServiceUnavailable("x"), 1), (AccessDenied, 20)]
)
async def test_what_meets_every_item_is_one_line(error: Callable[[], Exception], told: int) -> None:
    contents, files = Contents(error), Files(error)
    watch = RestoreWatch(
        cast("ObjectStore", contents),
        cast("ArchiveRecords", contents),
        Heartbeat("restores", 1),
        often_seconds=1,
    )
    media = MediaLoop(
        cast("MediaReader", files), cast("MediaRecords", files), Heartbeat("media", 1), processes=1
    )
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await asyncio.gather(watch.run_once(), media.run_once())
    for event in ("restore_not_looked_at", "media_read_failed"):
        assert len([line for line in lines if line["event"] == event]) == told


async def test_what_can_be_told_to_nobody_is_one_line_of_each_kind() -> None:
    """During an outage every reader, upload and import has something that it cannot report to its owner."""
    away = Untellable()
    damage = DamageReporter(cast("Reservations", away), cast("VerificationRecords", away), DamageCounts())
    refusals = Refusals(cast("ScanRecords", away))
    infected = ContentInfected("x", metadata={"signature": "Eicar"})
    importer = TellingImporter(None, None, ImportLimits(1, min_rate=0, tries=1), cast("Reservations", away))  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as lines:
        for number in range(3):
            damage.report("lost", ObjectRef(f"k{number}", None))
            refusals.of_project_file("ada", f"{number}", infected)
            await importer._tell("https://source.test", UploadSpec(), ServiceUnavailable("x"))
        await damage.aclose()
        await refusals.aclose()
    events = Counter(line["event"] for line in lines)
    for event in ("damage_untold", "infection_untold", "import_failure_untold"):
        assert events[event] == 1, event


def test_it_is_back_once_items_have_done_well_for_a_while() -> None:
    now = [0.0]
    items = FailingItems("item_failed", "items_again", clock=lambda: now[0])
    broken = FileNotFound("x")
    with structlog.testing.capture_logs() as lines:
        errors: list[StoreError | StrongroomError] = [StoreUnavailable(), DatabaseUnavailable("x"), broken]
        for error in errors * 2:
            items.failed(error, key="k")
        items.well()
        now[0] += QUIET_SECONDS
        items.well()
    assert [(line["event"], line.get("error")) for line in lines] == [
        ("item_failed", "StoreUnavailable"),
        ("item_failed", "DatabaseUnavailable"),
        ("item_failed", "FileNotFound"),
        ("item_failed", "FileNotFound"),
        ("items_again", None),
    ]
