"""A trial of the bucket, killed before and after each request that changes something: the next one removes
the remains.
"""

from __future__ import annotations

from typing import Any

import pytest

from storage_service import bucket_probe
from storage_service.bucket_probe import PREFIX, BucketProbe
from tests.doubles.memory_store import MemoryObjectStore
from tests.doubles.mortal_store import Killed, MortalStore


async def tried(store: Any) -> list[str]:
    return [finding.lack async for finding in BucketProbe(store).findings()]


async def left(store: MemoryObjectStore) -> list[str]:
    uploads = [one.key for one in await store.list_uploads(PREFIX)]
    return uploads + [one.key async for page in store.list_versions("") for one in page]


async def killed_anywhere(store: MemoryObjectStore) -> int:
    """Kill a trial before and after each of its changes in turn. Return how many trials were killed."""
    deaths = 0
    while True:
        for applied in (False, True):
            try:
                await tried(MortalStore(store, deaths // 2 + 1, applied=applied))
            except Killed:
                deaths += 1
            else:
                return deaths


async def test_the_next_one_removes_what_a_dead_one_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryObjectStore(min_part_size=1)
    assert await killed_anywhere(store) >= 20
    assert await left(store), "who was killed a moment ago may be alive"
    assert not any(await tried(store))
    assert await left(store)
    monkeypatch.setattr(bucket_probe, "DEAD_SECONDS", 0.0)
    assert not any(await tried(store))
    assert await left(store) == []
