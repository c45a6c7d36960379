"""The cost of removals at a key with many versions, such as a path that was replaced a thousand times.

Each removal used to list all versions and to ask for the writer of each one of the same size, so one owner
kept the cleaner from all other work.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from servicekit.background import Heartbeat
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.cleaner.cleaner import BATCH, Cleaner
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectInfo, ObjectRef
from strongroom.metadata.v1 import blob_pb2
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.cleaner.test_cleaner import Work

KEY: Final = "paths/ada/a.bin"


class CountedStore(MemoryObjectStore):
    def __init__(self) -> None:
        super().__init__(versioned=True)
        self.calls: Counter[str] = Counter()

    def list_versions(self, prefix: str, **more: Any) -> AsyncIterator[Sequence[ListedVersion]]:
        self.calls["list"] += 1
        return super().list_versions(prefix, **more)

    async def head(self, ref: ObjectRef) -> ObjectInfo:
        self.calls["head"] += 1
        return await super().head(ref)


async def replaced(store: MemoryObjectStore) -> blob_pb2.Blob:
    """Return the row of a content that was replaced."""
    attempt, body = str(uuid.uuid4()), [b"bytes"]
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: attempt})
    put = await store.put(KEY, body, size=5, crc32c=crc32c_of(body), attrs=attrs)
    return blob_pb2.Blob(
        id=attempt,
        key=KEY,
        kind=blob_pb2.BLOB_KIND_SINGLE,
        state=blob_pb2.BLOB_STATE_DELETING,
        version_id=put.version_id or "",
        size_bytes=5,
    )


async def test_a_key_of_many_versions_is_looked_at_once_in_a_batch() -> None:
    store = CountedStore()
    work = Work([await replaced(store) for _ in range(4 * BATCH)])
    stray = next(iter(work.rows.values()))
    attrs = ObjectAttributes(metadata={ATTEMPT_KEY: stray.id})
    await store.put(KEY, [b"bytes"], size=5, crc32c=crc32c_of([b"bytes"]), attrs=attrs)
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=1.0)
    assert await cleaner.run_once()
    assert len(work.rows) == 3 * BATCH
    assert work.released == []
    left = [version.version_id async for page in store.list_versions(KEY) for version in page]
    assert sorted(left) == sorted(row.version_id for row in work.rows.values()), "the stray went, too"
    assert store.calls["list"] == 3
    assert store.calls["head"] == 1, "the stray's alone"
    assert work.asked == 2


async def test_what_is_only_hidden_is_not_removed_with_what_is_deleted() -> None:
    store = CountedStore()
    gone, also_gone, hidden = [await replaced(store) for _ in range(3)]
    hidden.hide_only = True
    work = Work([gone, hidden, also_gone])
    await Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=3600).run_once()
    assert work.hidden == [hidden.id]
    left = [one async for page in store.list_versions(KEY) for one in page if not one.is_delete_marker]
    assert [version.version_id for version in left] == [hidden.version_id]
