"""Open uploads that nobody owns are aborted; those of live attempts and of strangers are not."""

from __future__ import annotations

from storage_service.checksums import crc32c_of
from storage_service.memory import MemoryObjectStore
from storage_service.objects import ObjectAttributes
from storage_service.removal import remove_blob
from storage_service.sweeping import UploadSweep
from strongroom.metadata.v1 import blob_pb2

PATH = "paths/alice/report.pdf"


class Settled:
    """Rows: the keys of which every attempt has ended."""

    def __init__(self, *keys: str) -> None:
        self._keys = set(keys)

    async def filter_settled_keys(self, keys: list[str]) -> set[str]:
        return self._keys & set(keys)


class Clock:
    """Seconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_only_settled_keys_are_swept_and_only_when_it_is_time() -> None:
    store, clock = MemoryObjectStore(versioned=True), Clock()
    for key in (PATH, "uploads/alice/live.bin", "somebody-elses/thing"):
        await store.create(key, ObjectAttributes())
    sweep = UploadSweep(store, Settled(PATH), interval_seconds=600, clock=clock)
    assert await sweep.run_once() is False
    assert len(await store.list_uploads("")) == 3
    clock.now = 600
    await sweep.run_once()
    assert {upload.key for upload in await store.list_uploads("")} == {
        "uploads/alice/live.bin",
        "somebody-elses/thing",
    }


async def test_an_upload_with_parts_is_left_to_its_attempt() -> None:
    """Swift may list an upload whose object is committed: aborting it would take the object's parts."""
    store, clock = MemoryObjectStore(versioned=True), Clock()
    recorded, unrecorded = [await store.create(PATH, ObjectAttributes()) for _ in range(2)]
    await store.upload_part(PATH, recorded, 1, [b"bytes"], size=5, crc32c=crc32c_of([b"bytes"]))
    sweep = UploadSweep(store, Settled(PATH), interval_seconds=600, clock=clock)
    clock.now = 600
    await sweep.run_once()
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
