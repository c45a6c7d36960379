"""Multipart uploads that no row owns are found once they are older than any request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore.values import ObjectAttributes
from storage_service.verifying.stage import Grace
from storage_service.verifying.uploads import OpenUploads
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_ABORTING, BLOB_STATE_COMMITTED, BLOB_STATE_PENDING
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard
from tests.doubles.memory_store import MemoryObjectStore

KEY = "uploads/ada/a.bin"


class Records:
    def __init__(self, *rows: KeyRow) -> None:
        self.rows = list(rows)

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        return KeysNow({key: [row for row in self.rows if row.key == key] for key in keys}, frozenset())


def stage(store: MemoryObjectStore, *rows: KeyRow, age: float = 101) -> OpenUploads:
    """Uploads are judged after 100 s, ``age`` s after they were begun."""
    grace = Grace(100, lambda: datetime.now(UTC) + timedelta(seconds=age))
    return OpenUploads(store, cast("VerificationRecords", Records(*rows)), grace)


async def found(stage: OpenUploads) -> list[str]:
    step = await stage.step(VerificationShard())
    assert step.done
    return [finding.key for finding in step.findings]


async def test_one_that_no_row_has_is_found_after_the_grace() -> None:
    store = MemoryObjectStore()
    for key in (KEY, "elsewhere/a.bin"):
        await store.create(key, ObjectAttributes())
    assert await found(stage(store)) == [KEY]
    assert await found(stage(store, age=50)) == []


@pytest.mark.parametrize("state", [BLOB_STATE_PENDING, BLOB_STATE_ABORTING])
async def test_an_attempt_that_has_not_ended_may_own_any_of_its_key(state: int) -> None:
    store = MemoryObjectStore()
    await store.create(KEY, ObjectAttributes())
    row = KeyRow(key=KEY, upload_id="another")
    row.state = state  # type: ignore[assignment]
    assert await found(stage(store, row)) == []


async def test_a_committed_row_owns_the_one_that_it_has_recorded() -> None:
    store = MemoryObjectStore()
    recorded = await store.create(KEY, ObjectAttributes())
    row = KeyRow(key=KEY, state=BLOB_STATE_COMMITTED, upload_id=recorded)
    assert await found(stage(store, row)) == []
    await store.create(KEY, ObjectAttributes())
    assert await found(stage(store, row)) == [KEY]


async def test_a_longer_key_is_another_one() -> None:
    store = MemoryObjectStore()
    longer = await store.create(f"{KEY}.gz", ObjectAttributes())
    own = await store.create(KEY, ObjectAttributes())
    assert own != longer
    assert [upload.upload_id for upload in await stage(store).abandoned_at(KEY)] == [own]
