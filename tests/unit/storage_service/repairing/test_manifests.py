"""Manifests in quarantine are trusted only in the form that repairs write, and restores return the moved
bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.repairing.inspection import QuarantineStage
from storage_service.repairing.manifest import (
    Manifest,
    Unreadable,
    UnreadableManifest,
    entry_id,
    manifest_key,
    object_key,
)
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.stage import Grace
from strongroom.errors import NotFound, RepairRefused
from strongroom.metadata.v1.verification_service_pb2 import VerificationShard
from tests.doubles.memory_store import MemoryObjectStore

KEY: Final = "uploads/ada/a.bin"
BODY: Final = b"moved away"


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def quarantine(store: MemoryObjectStore) -> Quarantine:
    return Quarantine(store, Grace(3600))


async def put(store: MemoryObjectStore, key: str, body: bytes) -> ObjectRef:
    crc32c = checksums.crc32c_of([body])
    made = await store.put(key, [body], size=len(body), crc32c=crc32c, attrs=ObjectAttributes())
    return ObjectRef(key, made.version_id)


async def copied(store: MemoryObjectStore, quarantine: Quarantine, key: str = KEY) -> Manifest:
    ref = await put(store, key, BODY)
    found = await quarantine.copy(ref, why="object_orphaned", found="", run_id="")
    await store.delete(ref)
    return found


async def findings(store: MemoryObjectStore, quarantine: Quarantine) -> list[tuple[str, str]]:
    step = await QuarantineStage(store, quarantine, Grace(3600)).step(VerificationShard())
    assert step.done
    return [(one.key, one.found) for one in step.findings]


HARMS: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "a list": lambda _: [],
    "nothing": lambda _: None,
    "another format": lambda fields: fields | {"format": "strongroom-quarantine/2"},
    "another entry's": lambda fields: fields | {"id": str(uuid.uuid4())},
    "a key outside": lambda fields: fields | {"key": "logs/app.log"},
    "the installation": lambda fields: fields | {"key": ".strongroom/installation.json"},
    "the quarantine": lambda fields: fields | {"key": f".strongroom/quarantine/{fields['id']}/object"},
    "no key": lambda fields: fields | {"key": ""},
    "a number as key": lambda fields: fields | {"key": 5},
    "text as length": lambda fields: fields | {"size_bytes": "10"},
    "a length below 0": lambda fields: fields | {"size_bytes": -1},
    "a length that is true": lambda fields: fields | {"size_bytes": True},
    "metadata as list": lambda fields: fields | {"metadata": ["x"]},
    "numbers in metadata": lambda fields: fields | {"metadata": {"a": 5}},
    "metadata that is null": lambda fields: fields | {"metadata": None},
    "a checksum too long": lambda fields: fields | {"crc32c": "fffffffff"},
    "a checksum with sign": lambda fields: fields | {"crc32c": "-0000001"},
    "no moment": lambda fields: fields | {"moved_at": "yesterday"},
    "a moment before all": lambda fields: fields | {"moved_at": "0001-01-01T00:00:00+14:00"},
    "kept as text": lambda fields: fields | {"kept": "no"},
    "a field more": lambda fields: fields | {"more": 1},
    "a field less": lambda fields: {name: value for name, value in fields.items() if name != "etag"},
}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_manifest_of_another_sort_is_damaged_and_stops_nobody(
    harm: str, store: MemoryObjectStore, quarantine: Quarantine
) -> None:
    right = await copied(store, quarantine, "uploads/ada/right.bin")
    wrong = await copied(store, quarantine)
    text = json.dumps(HARMS[harm](json.loads(wrong.to_json()))).encode()
    await put(store, manifest_key(wrong.id), text)
    listed = {one.id: one async for one in quarantine.entries()}
    assert isinstance(listed[wrong.id], Unreadable)
    assert listed[right.id] == right
    assert await findings(store, quarantine) == [(manifest_key(wrong.id), "what nobody can read")]
    with pytest.raises(UnreadableManifest):
        await quarantine.restore(wrong.id)
    assert [key async for page in store.list_objects("") for key in page if key.key == KEY] == []


@pytest.mark.parametrize("body", [BODY[:-1], BODY[::-1], b"", BODY + b"!"])
async def test_other_bytes_are_not_brought_back(
    body: bytes, store: MemoryObjectStore, quarantine: Quarantine
) -> None:
    entry = await copied(store, quarantine)
    await put(store, object_key(entry.id), body)
    with pytest.raises(RepairRefused, match="not those that were moved") as refused:
        await quarantine.restore(entry.id)
    assert refused.value.metadata["rule"] == "bytes_damaged"
    assert await quarantine.entry(entry.id) == entry
    assert [one async for page in store.list_versions(KEY) for one in page if not one.is_delete_marker] == []


async def test_bytes_without_a_manifest_are_listed_found_and_can_be_removed(
    store: MemoryObjectStore, quarantine: Quarantine
) -> None:
    await copied(store, quarantine, "uploads/ada/right.bin")
    hidden, lone = await copied(store, quarantine), str(uuid.uuid4())
    await store.delete(ObjectRef(manifest_key(hidden.id)))  # adds a delete marker
    await put(store, object_key(lone), BODY)
    expected = {hidden.id, lone}
    assert {one.id async for one in quarantine.entries() if isinstance(one, Unreadable)} == expected
    assert set(await findings(store, quarantine)) == {(manifest_key(entry), "") for entry in expected}
    for entry in expected:
        assert (await quarantine.forget(entry)).id == entry
        with pytest.raises(NotFound):
            await quarantine.forget(entry)
    assert await findings(store, quarantine) == []


async def test_a_manifest_that_may_come_yet_is_waited_for(store: MemoryObjectStore) -> None:
    later = Grace(60, clock=lambda: datetime.now(UTC) + timedelta(seconds=61))
    await put(store, object_key(str(uuid.uuid4())), BODY)
    assert await findings(store, Quarantine(store, Grace(3600), Grace(60))) == []
    assert len(await findings(store, Quarantine(store, Grace(3600), later))) == 1


async def test_objects_without_versions_get_entries_of_their_own(store: MemoryObjectStore) -> None:
    first, second = [await store.head(await put(store, KEY, body)) for body in (b"one", b"two")]
    for name in ("null", "", None):
        ref = ObjectRef(KEY, name)
        assert entry_id(ref, first) == entry_id(ref, first)
        assert entry_id(ref, first) != entry_id(ref, second)
    versioned = ObjectRef(KEY, "v1")
    assert entry_id(versioned, first) == entry_id(versioned, second)
