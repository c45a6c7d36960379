"""A restore from quarantine never brings back what the cleaner is about to remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import pytest

from servicekit.background import Heartbeats
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.removal import remove_blob
from storage_service.metadata.verification import KeysNow
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.repairing.assembly import RepairRules, Verifying
from storage_service.repairing.guard import MostWrong
from storage_service.repairing.metrics import RepairMetrics
from storage_service.verifying.stage import Rates
from strongroom.errors import RepairRefused
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse, KeyRow
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports

BODY: Final = b"of a file whose row was lost"
PATH, PLAIN = "paths/ada/a.txt", "uploads/ada/a.txt"


class Records:
    """Replaces VerificationRecords."""

    def __init__(self) -> None:
        self.rows: list[KeyRow] = []

    async def installation(self) -> GetInstallationResponse:
        return GetInstallationResponse(
            installation_id="i", schema_revision="1", expected_revision="1", has_committed=True
        )

    async def page(self, *_: object) -> Any:
        return GetInstallationResponse()

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        return KeysNow({key: [row for row in self.rows if row.key == key] for key in keys}, frozenset())


class Bench:
    """A retired attempt, ``mine``: its object still exists at ``key``, and a copy is in quarantine."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.store, self.records = MemoryObjectStore(), Records()
        self.all = Verifying(
            self.store,
            cast("Any", self.records),
            Reports(),
            Heartbeats(),
            RepairMetrics(),
            rates=Rates(*cast("Any", (0,) * len(Rates.__dataclass_fields__))),
            rules=RepairRules(0.0, 3600.0, MostWrong(1, 1.0)),
        )
        self.entry = self.version = ""

    async def retire(self) -> None:
        await self._mark()
        attrs = ObjectAttributes(metadata={ATTEMPT_KEY: "mine"})
        made = await self.store.put(self.key, [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=attrs)
        self.version = made.version_id or ""
        copy = await self.all.quarantine.copy(
            ObjectRef(self.key, made.version_id), why="w", found="f", run_id="r", kept=True
        )
        self.entry = copy.id
        self.records.rows = [self.row("mine", blob_pb2.BLOB_STATE_DELETING)]

    async def _mark(self) -> None:
        document = b'{"installation_id": "i"}'
        await self.store.put(
            ".strongroom/installation.json",
            [document],
            size=len(document),
            crc32c=crc32c_of([document]),
            attrs=ObjectAttributes(),
        )

    def row(self, attempt: str, state: blob_pb2.BlobState.ValueType) -> KeyRow:
        return KeyRow(blob_id=attempt, key=self.key, state=state, key_shared=self.key == PATH)

    async def clean(self) -> None:
        """Remove the object and the row, like the cleaner."""
        await remove_blob(
            self.store,
            blob_pb2.Blob(
                id="mine",
                key=self.key,
                version_id=self.version,
                size_bytes=len(BODY),
                state=blob_pb2.BLOB_STATE_DELETING,
            ),
        )
        self.records.rows = []

    async def body(self) -> bytes | None:
        try:
            async with self.store.open(ObjectRef(self.key)) as stream:
                return b"".join([piece async for piece in stream])
        except ObjectNotFound:
            return None


@pytest.mark.parametrize("key", [PATH, PLAIN])
async def test_what_was_retired_comes_back_once_it_is_gone(key: str) -> None:
    bench = Bench(key)
    await bench.retire()
    with pytest.raises(RepairRefused) as refusal:
        await bench.all.repairs.restore(bench.entry)
    assert refusal.value.metadata["rule"] == "key_busy"
    await bench.clean()
    assert await bench.body() is None
    await bench.all.repairs.restore(bench.entry)
    assert await bench.body() == BODY


@pytest.mark.parametrize("kind", [blob_pb2.BLOB_KIND_LEFTOVERS, blob_pb2.BLOB_KIND_SINGLE])
async def test_at_a_path_others_that_are_removed_keep_nobody_waiting(
    kind: blob_pb2.BlobKind.ValueType,
) -> None:
    bench = Bench(PATH)
    await bench.retire()
    await bench.clean()
    other = bench.row("other", blob_pb2.BLOB_STATE_GONE)
    other.kind = kind
    other.object_metadata[ATTEMPT_KEY] = "another's"
    bench.records.rows = [other]
    await bench.all.repairs.restore(bench.entry)
    assert await bench.body() == BODY


async def test_what_is_left_beside_a_file_is_taken_away_yet() -> None:
    """A row of kind LEFTOVERS names an attempt whose other versions will be removed."""
    bench = Bench(PATH)
    await bench.retire()
    await bench.clean()
    leftovers = bench.row("leftovers", blob_pb2.BLOB_STATE_GONE)
    leftovers.kind = blob_pb2.BLOB_KIND_LEFTOVERS
    leftovers.object_metadata[ATTEMPT_KEY] = "mine"
    bench.records.rows = [leftovers]
    with pytest.raises(RepairRefused):
        await bench.all.repairs.restore(bench.entry)
