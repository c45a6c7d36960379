"""A process that dies before or after any request that changes the store: a repeat completes the work.

Nothing is lost, duplicated, or left over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.repairing.inspection import QuarantineStage
from storage_service.repairing.manifest import PREFIX, entry_id, manifest_key, object_key
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.stage import Grace
from strongroom.errors import NotFound
from strongroom.metadata.v1.verification_service_pb2 import VerificationShard
from tests.doubles.memory_store import MemoryObjectStore
from tests.doubles.mortal_store import Killed, MortalStore

KEY: Final = "uploads/ada/a.bin"
BODY: Final = b"the only copy"
#: Number of the last request, and whether the store has applied it.
MOMENTS: Final = tuple((nth, applied) for nth in range(1, 5) for applied in (False, True))


async def interrupted(
    store: MemoryObjectStore, moment: tuple[int, bool], act: Callable[[Quarantine], Awaitable[object]]
) -> bool:
    """Run the act in a process that dies at the moment. Return whether it died."""
    nth, applied = moment
    mortal: Any = MortalStore(store, nth, applied=applied)
    try:
        await act(Quarantine(mortal, Grace(0)))
    except Killed:
        return True
    return False


async def contents(store: MemoryObjectStore) -> Counter[str]:
    """Return the number of versions and delete markers of each key."""
    return Counter([one.key async for page in store.list_versions("") for one in page])


async def findings(store: MemoryObjectStore) -> list[tuple[str, str]]:
    stage = QuarantineStage(store, Quarantine(store, Grace(3600)), Grace(3600))
    return [(one.key, one.found) for one in (await stage.step(VerificationShard())).findings]


async def put(store: MemoryObjectStore) -> ObjectRef:
    attrs = ObjectAttributes(metadata={"strongroom-attempt": "a"})
    made = await store.put(KEY, [BODY], size=len(BODY), crc32c=checksums.crc32c_of([BODY]), attrs=attrs)
    return ObjectRef(KEY, made.version_id)


@dataclass
class Placed:
    """An object, and the quarantine entry that it becomes."""

    store: MemoryObjectStore
    ref: ObjectRef
    entry: str

    async def move(self, quarantine: Quarantine) -> object:
        """Move it like a repair, which first checks that the object exists."""
        listed = [one async for page in self.store.list_versions(KEY) for one in page]
        for version in listed:
            if version.version_id == self.ref.version_id:

                async def still() -> bool:
                    return True

                return await quarantine.move(version, why="a", found="a", run_id="r", still=still)
        return None

    async def restore(self, quarantine: Quarantine) -> object:
        return await quarantine.restore(self.entry)

    async def forget(self, quarantine: Quarantine) -> object:
        return await quarantine.forget(self.entry)


@pytest.fixture
async def placed() -> Placed:
    store = MemoryObjectStore()
    ref = await put(store)
    return Placed(store, ref, entry_id(ref, await store.head(ref)))


async def body_of(store: MemoryObjectStore, key: str) -> bytes:
    async with store.open(ObjectRef(key)) as stream:
        return b"".join([piece async for piece in stream])


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_move(placed: Placed, moment: tuple[int, bool]) -> None:
    store = placed.store
    died = await interrupted(store, moment, placed.move)
    assert died == (moment[0] <= 3)
    await placed.move(Quarantine(store, Grace(0)))
    there = await contents(store)
    assert there.pop(manifest_key(placed.entry)) <= 2  # written again by the process that follows a crash
    assert there == {object_key(placed.entry): 1}
    assert await body_of(store, object_key(placed.entry)) == BODY
    assert await findings(store) == []


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_restore(placed: Placed, moment: tuple[int, bool]) -> None:
    store = placed.store
    await placed.move(Quarantine(store, Grace(0)))
    died = await interrupted(store, moment, placed.restore)
    assert died == (moment[0] <= 3)
    try:
        await placed.restore(Quarantine(store, Grace(0)))
    except NotFound:
        assert moment >= (3, True)
    assert await contents(store) == {KEY: 1}
    assert await body_of(store, KEY) == BODY


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_purge(placed: Placed, moment: tuple[int, bool]) -> None:
    store = placed.store
    await placed.move(Quarantine(store, Grace(0)))
    died = await interrupted(store, moment, placed.forget)
    assert died == (moment[0] <= 2)
    try:
        await placed.forget(Quarantine(store, Grace(0)))
    except NotFound:
        assert moment >= (2, True)
    assert [key for key in await contents(store) if key.startswith(PREFIX)] == []


async def test_what_a_repair_has_made_of_it_is_not_the_object_itself(placed: Placed) -> None:
    """Another object with the same bytes but another media type is at its key: both exist after the
    restore.
    """
    store, quarantine = placed.store, Quarantine(placed.store, Grace(0))
    attrs = ObjectAttributes(content_type="text/html", metadata={"strongroom-attempt": "a"})
    await store.put(KEY, [BODY], size=len(BODY), crc32c=checksums.crc32c_of([BODY]), attrs=attrs)
    await placed.move(quarantine)
    await placed.restore(quarantine)
    assert await contents(store) == {KEY: 2}
    assert (await store.head(ObjectRef(KEY))).content_type != "text/html"
