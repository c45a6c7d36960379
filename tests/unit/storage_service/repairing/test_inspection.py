"""Exactly the entries of the quarantine that could not be restored are findings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.repairing import inspection as module
from storage_service.repairing.inspection import QuarantineStage
from storage_service.repairing.manifest import Manifest, manifest_key, object_key
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.stage import Grace
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import VerificationShard
from tests.doubles.memory_store import MemoryObjectStore

BODY: Final = b"moved away"
Harm: TypeAlias = Callable[[MemoryObjectStore, Manifest], Awaitable[None]]


async def put(store: MemoryObjectStore, key: str, body: bytes) -> None:
    crc32c = checksums.crc32c_of([body])
    await store.put(key, [body], size=len(body), crc32c=crc32c, attrs=ObjectAttributes())


async def moved(store: MemoryObjectStore, name: str = "a") -> Manifest:
    key = f"uploads/ada/{name}.bin"
    await put(store, key, BODY)
    info = await store.head(ObjectRef(key))
    ref = ObjectRef(key, info.version_id)
    return await Quarantine(store, Grace(3600)).copy(ref, why="object_orphaned", found="", run_id="")


def stage(store: MemoryObjectStore, **grace: Callable[[], datetime]) -> QuarantineStage:
    kept = Grace(3600, **grace)
    return QuarantineStage(store, Quarantine(store, kept), kept)


async def found(stage: QuarantineStage, depth: pb.VerificationDepth.ValueType) -> list[tuple[str, str]]:
    shard, seen = VerificationShard(depth=depth), []
    while True:
        step = await stage.step(shard)
        seen += [(one.key, one.found) for one in step.findings]
        if step.done:
            return seen
        shard.cursor = step.cursor


def manifest_is(text: bytes) -> Harm:
    async def harm(store: MemoryObjectStore, entry: Manifest) -> None:
        await put(store, manifest_key(entry.id), text)

    return harm


def object_is(body: bytes) -> Harm:
    async def harm(store: MemoryObjectStore, entry: Manifest) -> None:
        await put(store, object_key(entry.id), body)

    return harm


async def object_deleted(store: MemoryObjectStore, entry: Manifest) -> None:
    await store.delete(ObjectRef(object_key(entry.id)))


HARMS: Final = {
    "empty manifest": (manifest_is(b""), "what nobody can read"),
    "cut manifest": (manifest_is(b'{"format": "strongroom-quar'), "what nobody can read"),
    "another release's": (manifest_is(b'{"format": "strongroom-quarantine/2"}'), "what nobody can read"),
    "not text": (manifest_is(b"\xff\xfe\x00"), "what nobody can read"),
    "bytes deleted": (object_deleted, "no bytes"),
    "bytes cut": (object_is(BODY[:-1]), "9 bytes"),
    "other bytes": (object_is(BODY[::-1]), "10 bytes"),
}


@pytest.mark.parametrize("depth", [pb.VERIFICATION_DEPTH_HEADS, pb.VERIFICATION_DEPTH_BYTES])
@pytest.mark.parametrize("harm", HARMS)
async def test_what_could_not_be_brought_back_is_found(
    harm: str, depth: pb.VerificationDepth.ValueType
) -> None:
    store = MemoryObjectStore()
    entries = [await moved(store, name) for name in "abc"]
    assert await found(stage(store), depth) == []
    act, told = HARMS[harm]
    await act(store, entries[1])
    ((key, what),) = await found(stage(store), depth)
    assert key in {manifest_key(entries[1].id), object_key(entries[1].id)}
    assert what.startswith(told)


async def test_many_entries_are_gone_through_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES", 2)
    store = MemoryObjectStore()
    entries = [await moved(store, f"{number}") for number in range(7)]
    for entry in entries:
        await object_deleted(store, entry)
    seen = await found(stage(store), pb.VERIFICATION_DEPTH_LISTINGS)
    assert sorted(key for key, _ in seen) == sorted(object_key(entry.id) for entry in entries)


async def test_what_is_on_its_way_out_is_passed_over() -> None:
    store = MemoryObjectStore()
    await object_deleted(store, await moved(store))
    late = stage(store, clock=lambda: datetime.now(UTC) + timedelta(hours=2))
    assert await found(late, pb.VERIFICATION_DEPTH_HEADS) == []
    assert len(await found(stage(store), pb.VERIFICATION_DEPTH_HEADS)) == 1


async def test_what_is_brought_back_meanwhile_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryObjectStore()
    entry = await moved(store)
    head = store.head

    async def restored_first(ref: ObjectRef) -> object:
        monkeypatch.setattr(store, "head", head)
        await Quarantine(store, Grace(3600)).restore(entry.id)
        return await head(ref)

    monkeypatch.setattr(store, "head", restored_first)
    assert await found(stage(store), pb.VERIFICATION_DEPTH_HEADS) == []
