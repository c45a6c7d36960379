"""Open uploads without an owner are aborted; those of live attempts and of strangers are not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from storage_service.attempts.removal import remove_blob
from storage_service.cleaner.sweep import UploadSweep
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.values import ObjectAttributes, PartReceipt
from strongroom.metadata.v1 import blob_pb2
from tests.doubles.memory_store import MemoryObjectStore

PATH = "paths/alice/report.pdf"


class Settled(Reservations):
    """Metadata_service's answer: the keys of which every attempt has ended."""

    def __init__(self, *keys: str) -> None:
        self._keys = set(keys)

    async def filter_settled_keys(self, keys: list[str]) -> set[str]:
        return self._keys & set(keys)


async def test_only_settled_keys_are_swept() -> None:
    store = MemoryObjectStore(versioned=True)
    for key in (PATH, "uploads/alice/live.bin", "somebody-elses/thing"):
        await store.create(key, ObjectAttributes())
    assert await UploadSweep(store, Settled(PATH)).run_once() is False
    assert {upload.key for upload in await store.list_uploads("")} == {
        "uploads/alice/live.bin",
        "somebody-elses/thing",
    }


async def test_an_upload_with_parts_is_left_to_its_attempt() -> None:
    """Swift may list an upload whose object is committed; aborting it would delete the object's parts."""
    store = MemoryObjectStore(versioned=True)
    recorded, unrecorded = [await store.create(PATH, ObjectAttributes()) for _ in range(2)]
    await store.upload_part(PATH, recorded, 1, [b"bytes"], size=5, crc32c=crc32c_of([b"bytes"]))
    await UploadSweep(store, Settled(PATH)).run_once()
    assert [upload.upload_id for upload in await store.list_uploads(PATH)] == [recorded] != [unrecorded]


async def test_a_dead_attempt_leaves_the_live_upload_of_its_place_alone() -> None:
    store = MemoryObjectStore(versioned=True)
    dead = await store.create(PATH, ObjectAttributes())
    live = await store.create(PATH, ObjectAttributes())
    blob = blob_pb2.Blob(
        id="5b0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5",
        key=PATH,
        upload_id=dead,
        kind=blob_pb2.BLOB_KIND_MULTIPART,
        state=blob_pb2.BLOB_STATE_ABORTING,
    )
    await remove_blob(store, blob)
    assert [upload.upload_id for upload in await store.list_uploads(PATH)] == [live]


class OneUnreadable(MemoryObjectStore):
    """A store in which the parts of one key can't be listed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(versioned=True)
        self._error = error

    async def list_parts(self, key: str, upload_id: str) -> Sequence[PartReceipt]:
        if key == PATH:
            raise self._error
        return await super().list_parts(key, upload_id)


@pytest.mark.parametrize("error", [StoreUnavailable("damaged"), KeyError("PartNumber"), ValueError("Size")])
async def test_an_upload_that_cannot_be_looked_at_holds_up_no_other(error: Exception) -> None:
    store = OneUnreadable(error)
    keys = ["paths/alice/a", PATH, "paths/alice/z"]
    for key in keys:
        await store.create(key, ObjectAttributes())
    await UploadSweep(store, Settled(*keys)).run_once()
    assert [upload.key for upload in await store.list_uploads("")] == [PATH]
