"""Objects without a row: their owner, and whether that owner was erased since."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from metadata_service.erasing import leftovers
from metadata_service.erasing.receipt import Receipts
from servicekit.reports import ReportSigner
from strongroom.metadata.v1.verification_pb2 import UnownedObject
from tests.integration.metadata_service.admin.erasing import eraser, to_the_end
from tests.integration.metadata_service.world import World


def written(at: datetime, owner: str = "", key: str = "temp/2026/01/01/x.txt") -> UnownedObject:
    found = UnownedObject(key=key, owner_id=owner)
    found.store_time.FromDatetime(at)
    return found


async def test_of_whom_is_erased_and_of_whom_was(own_world: World) -> None:
    world = own_world.but(read_grace=0.0, restore_window=0.0, tombstone_grace=0.0, retry=0.0)
    now = datetime.now(UTC)
    before, later = now - timedelta(days=3), now + timedelta(days=3)
    objects = [
        written(before, "ada"),
        written(before, "eve"),
        written(before, key="uploads/ada/x.txt"),
        written(before, "eve", key="uploads/ada/x.txt"),  # the owner in the object's metadata counts
        written(before, key="paths/eve/ada/x.txt"),
        written(before, key="audio/ada/x.txt"),
        written(before),
        written(later, "ada"),
    ]
    assert not (await leftovers.any_erasure(world.database))[0]
    assert await leftovers.erased(world.database, objects) == []
    erasing = eraser(world)
    erasure, _ = await erasing.begin("ada", "root")
    assert (await leftovers.any_erasure(world.database))[0]
    assert await leftovers.erased(world.database, objects) == [0, 2, 7]
    await to_the_end(world, erasing, erasure)
    assert (await leftovers.any_erasure(world.database))[0]
    assert await leftovers.erased(world.database, objects) == [0, 2], "what came later is a new life's"
    assert await leftovers.erased(world.database, []) == []


@pytest.mark.parametrize("when", ["before it began", "meanwhile", "after its end"])
async def test_a_receipt_says_whether_quarantine_was_looked_through(own_world: World, when: str) -> None:
    world = own_world.but(read_grace=0.0, restore_window=0.0, tombstone_grace=0.0, retry=0.0)
    erasing, receipts = eraser(world), Receipts(world.database, ReportSigner(b"s" * 32))
    _, early = await leftovers.any_erasure(world.database)
    erasure, _ = await erasing.begin("ada", "root")
    await erasing.run_once()
    _, now = await leftovers.any_erasure(world.database)
    if when != "after its end":
        await leftovers.looked_through(world.database, early if when == "before it began" else now)
    await to_the_end(world, erasing, erasure)
    before = await receipts.signed(await erasing.get(erasure.id))
    _, late = await leftovers.any_erasure(world.database)
    await leftovers.looked_through(world.database, late)
    ended = await erasing.get(erasure.id)
    assert ended.HasField("quarantine_time")
    assert await receipts.signed(ended) == before, "what was signed stays"
    said = json.loads(before.document)["quarantine_time"]
    assert said == (ended.quarantine_time.ToJsonString() if when == "meanwhile" else None)
