"""An erased user's entries in quarantine are removed in the next pass, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from servicekit.background import Heartbeats
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.repairing import quarantine
from storage_service.repairing.assembly import RepairRules, Verifying
from storage_service.repairing.guard import MostWrong
from storage_service.repairing.manifest import PREFIX, Manifest, manifest_key
from storage_service.repairing.metrics import RepairMetrics
from storage_service.verifying.stage import Rates
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.verification_pb2 import UnownedObject
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Records:
    """Replaces VerificationRecords. ``erased_ids``: erased users."""

    def __init__(self) -> None:
        self.erased_ids: set[str] = set()
        self.asked: list[list[UnownedObject]] = []
        self.seen: list[datetime] = []
        self.away = False

    async def installation(self) -> GetInstallationResponse:
        return GetInstallationResponse(installation_id="i", schema_revision="1", expected_revision="1")

    async def any_erasure(self) -> datetime | None:
        if self.away:
            raise ServiceUnavailable("away")
        return NOW if self.erased_ids else None

    async def quarantine_seen(self, begun: datetime) -> None:
        self.seen.append(begun)

    async def erased(self, objects: Sequence[UnownedObject]) -> list[int]:
        self.asked.append(list(objects))
        return [at for at, one in enumerate(objects) if one.owner_id in self.erased_ids]


class Bench:
    """A bucket with its quarantine, whose entries are kept for ``seconds``."""

    def __init__(self, seconds: float = 3600.0) -> None:
        self.store, self.records = MemoryObjectStore(), Records()
        rules = RepairRules(0.0, seconds, MostWrong(1, 1.0))
        self.all = Verifying(
            self.store,
            cast("Any", self.records),
            Reports(),
            Heartbeats(),
            RepairMetrics(),
            rates=Rates(*cast("Any", (0,) * len(Rates.__dataclass_fields__))),
            rules=rules,
        )

    async def move(self, key: str, owner: str) -> Manifest:
        """Move an object of that owner to quarantine."""
        attrs = ObjectAttributes(content_type="text/plain", metadata={"user_id": owner} if owner else {})
        made = await self.store.put(key, [b"abc"], size=3, crc32c=crc32c_of([b"abc"]), attrs=attrs)
        ref = ObjectRef(key, made.version_id)
        manifest = await self.all.quarantine.copy(ref, why="w", found="f", run_id="r")
        await self.store.delete(ref)
        return manifest

    async def left(self) -> set[str]:
        """Return the entries of which any version exists."""
        pages = [page async for page in self.store.list_versions(PREFIX)]
        return {one.key.removeprefix(PREFIX).partition("/")[0] for page in pages for one in page}


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_entries_of_the_erased_go_and_others_stay(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(quarantine, "ASKED_AT_ONCE", at_once)
    bench = Bench()
    theirs = [await bench.move(f"uploads/ada/{n}.txt", "ada") for n in range(3)]
    others = [await bench.move(f"paths/bob/ada/{n}.txt", "bob") for n in range(2)]
    await bench.all.purge()
    assert await bench.left() == {one.id for one in (*theirs, *others)}
    assert bench.records.asked == [], "nobody was erased: no manifest has to be read"
    bench.records.erased_ids = {"ada"}
    await bench.all.purge()
    assert await bench.left() == {one.id for one in others}
    assert max(len(objects) for objects in bench.records.asked) <= at_once
    assert sum(len(objects) for objects in bench.records.asked) == 5
    assert (await bench.all.quarantine.entry(others[0].id)).key == "paths/bob/ada/0.txt"


async def test_asked_is_by_what_the_object_said_and_when_it_was_written() -> None:
    bench = Bench()
    entry = await bench.move("uploads/ada/a.txt", "")
    bench.records.erased_ids = {"somebody"}
    await bench.all.purge()
    ((asked,),) = bench.records.asked
    assert (asked.key, asked.owner_id) == ("uploads/ada/a.txt", "")
    assert asked.store_time.ToDatetime(UTC) == entry.last_modified
    assert entry.last_modified <= entry.moved_at <= datetime.now(UTC)
    assert await bench.left() == {entry.id}


async def test_a_manifest_that_cannot_be_read_keeps_nobody_from_the_others() -> None:
    bench = Bench()
    broken, theirs = [await bench.move(f"uploads/ada/{n}.txt", "ada") for n in range(2)]
    for entry in (broken, theirs):
        if entry is broken:
            attrs = ObjectAttributes(content_type="application/json")
            text = b'{"format": '
            await bench.store.put(
                manifest_key(entry.id), [text], size=len(text), crc32c=crc32c_of([text]), attrs=attrs
            )
    bench.records.erased_ids = {"ada"}
    await bench.all.purge()
    assert await bench.left() == {broken.id}
    assert bench.records.seen == [], "it may be ada's"


async def test_a_pass_that_has_seen_all_is_told_of() -> None:
    bench = Bench()
    await bench.move("uploads/bob/1.txt", "bob")
    await bench.all.purge()
    assert bench.records.seen == [], "nobody was erased"
    bench.records.erased_ids = {"ada"}
    await bench.all.purge()
    assert bench.records.seen == [NOW]


async def test_what_is_old_goes_whoever_is_away() -> None:
    bench = Bench(seconds=0.0)
    await bench.move("uploads/ada/a.txt", "ada")
    bench.records.away = True
    with pytest.raises(ServiceUnavailable):
        await bench.all.purge()
    assert await bench.left() == set()
