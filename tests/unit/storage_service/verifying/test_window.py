"""Windows follow one another over all keys: none is left out, and none is cut in two."""

from __future__ import annotations

from typing import cast

import pytest

from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes
from storage_service.verifying import window as module
from storage_service.verifying.window import Window, read_window
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, ListKeyRowsResponse, VerificationShard
from tests.doubles.memory_store import MemoryObjectStore

KEYS = [f"uploads/ada/{number}" for number in range(9)]


class Records:
    """One committed row for each key."""

    async def page(self, after: str, until: str, limit: int) -> ListKeyRowsResponse:
        keys = [key for key in KEYS if key > after and (not until or key <= until)]
        rows = [KeyRow(key=key, blob_id=key, state=BLOB_STATE_COMMITTED) for key in keys[:limit]]
        return ListKeyRowsResponse(rows=rows, more=len(keys) > limit)


async def stored(*more: str) -> MemoryObjectStore:
    """Two versions of each key, and one of each of ``more``."""
    store = MemoryObjectStore(versioned=True)
    for key in (*KEYS, *KEYS, *more):
        await store.put(key, [b"x"], size=1, crc32c=crc32c_of([b"x"]), attrs=ObjectAttributes())
    return store


async def windows(store: MemoryObjectStore, until: str = "") -> list[Window]:
    found = [await _read(store, "", until)]
    while not found[-1].done:
        found.append(await _read(store, found[-1].end, until))
    return found


async def _read(store: MemoryObjectStore, after: str, until: str) -> Window:
    shard = VerificationShard(cursor=after, until_key=until)
    return await read_window(store, cast("VerificationRecords", Records()), shard)


@pytest.mark.parametrize("listed", [1, 3, 4, 5, 100])
@pytest.mark.parametrize("rows", [1, 2, 100])
async def test_every_key_is_seen_once_with_all_that_is_there(
    monkeypatch: pytest.MonkeyPatch, listed: int, rows: int
) -> None:
    monkeypatch.setattr(module, "LISTED", listed)
    monkeypatch.setattr(module, "ROWS", rows)
    found = await windows(await stored())
    assert [key for window in found for key in window.keys] == KEYS
    for window in found:
        assert {(len(seen.rows), len(seen.versions)) for seen in window.keys.values()} == {(1, 2)}
        assert len(window.keys) <= min((listed + 1) // 2, rows)


async def test_a_shard_ends_with_its_last_key() -> None:
    [window] = await windows(await stored(), until=KEYS[4])
    assert list(window.keys) == KEYS[:5]
    assert {len(seen.versions) for seen in window.keys.values()} == {2}


async def test_objects_of_others_are_counted_and_our_own_inner_ones_are_not() -> None:
    [window] = await windows(await stored("elsewhere/a", "notes.txt", ".strongroom/installation"))
    assert list(window.keys) == KEYS
    assert window.passed_over == 2
