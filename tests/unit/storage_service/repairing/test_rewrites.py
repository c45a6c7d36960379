"""A rewrite of an object's metadata that dies before or after any change of the store or its row.

The next repair completes it, and one version with the right metadata is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import pytest

from servicekit.background import Heartbeats
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.metadata.verification import KeysNow
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.repairing.assembly import RepairRules, Verifying
from storage_service.repairing.guard import MostWrong
from storage_service.repairing.metrics import RepairMetrics
from storage_service.verifying.stage import Rates
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.verification_service_pb2 import (
    GetInstallationResponse,
    KeyRow,
    RepairRowRequest,
)
from strongroom.storage.v1 import verify_pb2 as wire
from tests.doubles.memory_store import MemoryObjectStore
from tests.doubles.mortal_store import Killed, MortalStore
from tests.unit.storage_service.reading.reports import Reports

KEY: Final = "uploads/ada/a.bin"
BODY: Final = b"the bytes are right"
MARK: Final = b'{"installation_id": "i"}'
MISMATCH: Final = pb.FINDING_KIND_METADATA_MISMATCH


class Records:
    """Replaces VerificationRecords: one committed row and a finding about it.

    ``dies``: before or after the row is changed.
    """

    def __init__(self, row: KeyRow) -> None:
        self.row = row
        self.finding = pb.Finding(
            number=1, kind=MISMATCH, key=KEY, blob_id=row.blob_id, version_id=row.version_id
        )
        self.dies = ""

    async def installation(self) -> GetInstallationResponse:
        return GetInstallationResponse(
            installation_id="i", schema_revision="1", expected_revision="1", has_committed=True
        )

    async def run(self, run_id: str) -> pb.Verification:
        run = pb.Verification(
            id=run_id, state=pb.VERIFICATION_STATE_FINISHED, installation_id="i", schema_revision="1"
        )
        run.findings.add(kind=MISMATCH, count=1)
        return run

    async def findings(self, _run_id: str, after: int) -> list[pb.Finding]:
        return [] if after else [self.finding]

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        now = KeyRow()
        now.CopyFrom(self.row)
        return KeysNow({key: [now] for key in keys if key == KEY}, frozenset())

    async def shown(self, _objects: Sequence[object]) -> set[int]:
        return set()

    async def repair_row(self, request: RepairRowRequest) -> bool:
        if self.dies == "before":
            raise Killed
        wanted = request.relink
        changed = wanted.from_version_id == self.row.version_id
        if changed:
            self.row.version_id, self.row.etag = wanted.version_id, wanted.etag
        if self.dies == "after":
            raise Killed
        return changed


async def put(store: MemoryObjectStore, key: str, body: bytes, attrs: ObjectAttributes) -> ObjectRef:
    made = await store.put(key, [body], size=len(body), crc32c=crc32c_of([body]), attrs=attrs)
    return ObjectRef(key, made.version_id)


async def planted(store: MemoryObjectStore) -> Records:
    """Store an object with another media type than its row's; the attempt is the same."""
    await put(store, ".strongroom/installation.json", MARK, ObjectAttributes())
    said = {ATTEMPT_KEY: "mine"}
    ref = await put(store, KEY, BODY, ObjectAttributes(content_type="text/html", metadata=said))
    info = await store.head(ref)
    row = KeyRow(key=KEY, blob_id="mine", owner_id="ada", state=BLOB_STATE_COMMITTED, is_shown=True)
    row.version_id, row.etag, row.content_type = ref.version_id or "", info.etag, "text/plain"
    row.size_bytes, row.crc32c = len(BODY), crc32c_of([BODY])
    row.object_metadata.update(said)
    return Records(row)


async def repaired(store: Any, records: Records) -> list[wire.RepairOutcome.ValueType]:
    """Run a repair in a new process."""
    repairs = Verifying(
        store,
        cast("Any", records),
        Reports(),
        Heartbeats(),
        RepairMetrics(),
        rates=Rates(*cast("Any", (0,) * len(Rates.__dataclass_fields__))),
        rules=RepairRules(0.0, 3600.0, MostWrong(1, 1.0)),
    ).repairs
    return [done.outcome async for _, done in repairs.repair("r")]


async def versions(store: MemoryObjectStore, prefix: str) -> list[str]:
    return [one.version_id async for page in store.list_versions(prefix) for one in page]


async def check_ended(store: MemoryObjectStore, records: Records, old: str) -> None:
    assert await repaired(store, records) in ([wire.REPAIR_OUTCOME_DONE], [wire.REPAIR_OUTCOME_OUTDATED])
    assert await versions(store, KEY) == [records.row.version_id]
    assert (await store.head(ObjectRef(KEY))).content_type == "text/plain"
    assert records.row.version_id != old
    assert len([one async for page in store.list_versions(".strongroom/q") for one in page]) in {2, 3}
    assert await repaired(store, records) == [wire.REPAIR_OUTCOME_OUTDATED]


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
async def test_killed_at_a_request_to_the_store(nth: int, *, applied: bool) -> None:
    store = MemoryObjectStore()
    records = await planted(store)
    old, died = records.row.version_id, False
    try:
        await repaired(MortalStore(store, nth, applied=applied), records)
    except Killed:
        died = True
    assert died == (nth <= 4), "a copy, its manifest, the rewritten one, the end of the old one"
    await check_ended(store, records, old)


@pytest.mark.parametrize("dies", ["before", "after"])
async def test_killed_at_the_change_of_its_row(dies: str) -> None:
    store = MemoryObjectStore()
    records = await planted(store)
    old, records.dies = records.row.version_id, dies
    with pytest.raises(Killed):
        await repaired(store, records)
    records.dies = ""
    await check_ended(store, records, old)


async def test_a_version_with_the_parts_of_the_file_stays() -> None:
    """Swift makes two versions of a multipart upload that is completed twice."""
    store = MemoryObjectStore()
    records = await planted(store)
    said = {ATTEMPT_KEY: "mine"}
    twin = await put(store, KEY, BODY, ObjectAttributes(content_type="text/plain", metadata=said))
    records.row.version_id, records.row.upload_id = twin.version_id or "", "u"
    assert await repaired(store, records) == [wire.REPAIR_OUTCOME_OUTDATED]
    assert len(await versions(store, KEY)) == 2
