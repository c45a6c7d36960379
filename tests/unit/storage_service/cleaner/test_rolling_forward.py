"""A completion whose writer has died is committed, or given up if its data is gone for ever."""

from __future__ import annotations

from typing import Any

import pytest

from servicekit.background import Heartbeat
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.cleaner.cleaner import Cleaner
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.values import CompleteResult, ObjectAttributes, ObjectRef
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle, CommitRequest, CommitResponse
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.cleaner.test_cleaner import Work

BODY = b"bytes"
ID = "5b0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5"
OWN, SHARED = "uploads/ada/a.bin", "paths/ada/a.bin"


class Ended(Work):
    """Notes what is committed and what is given up."""

    def __init__(self, blob: blob_pb2.Blob) -> None:
        super().__init__([blob])
        self.commits: list[CommitRequest] = []
        self.given_up: list[str] = []

    async def commit(self, request: CommitRequest) -> CommitResponse:
        self.commits.append(request)
        del self.rows[request.blob.blob_id]
        return CommitResponse()

    async def abandon(self, blob: BlobHandle) -> None:
        self.given_up.append(blob.blob_id)
        del self.rows[blob.blob_id]


async def completing(store: MemoryObjectStore, key: str = OWN) -> blob_pb2.Blob:
    """An attempt after T3, with one part in the store."""
    upload = await store.create(key, ObjectAttributes(metadata={ATTEMPT_KEY: ID}))
    crc32c = crc32c_of([BODY])
    sent = await store.upload_part(key, upload, 1, [BODY], size=len(BODY), crc32c=crc32c)
    return blob_pb2.Blob(
        id=ID,
        owner_id="ada",
        key=key,
        kind=blob_pb2.BLOB_KIND_MULTIPART,
        state=blob_pb2.BLOB_STATE_COMPLETING,
        upload_id=upload,
        parts=[blob_pb2.Part(number=1, etag=sent.etag, size_bytes=len(BODY), crc32c=crc32c)],
        size_bytes=len(BODY),
        crc32c=crc32c,
    )


async def cleaned(store: MemoryObjectStore, blob: blob_pb2.Blob) -> tuple[Ended, Cleaner]:
    work = Ended(blob)
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=3600)
    await cleaner.run_once()
    return work, cleaner


async def test_it_is_committed_and_a_late_request_of_its_writer_is_expected() -> None:
    store = MemoryObjectStore()
    blob = await completing(store)
    await store.create(OWN, ObjectAttributes())  # a repeated create, which no row has recorded
    work, _ = await cleaned(store, blob)
    [commit] = work.commits
    assert commit.etag == (await store.head(ObjectRef(OWN))).etag
    assert commit.doubtful
    assert await store.list_uploads(OWN) == []
    assert (work.given_up, work.released) == ([], [])


async def test_it_is_not_removed_together_with_what_was_deleted_at_its_key() -> None:
    store = MemoryObjectStore()
    blob = await completing(store, SHARED)
    work = Ended(blob)
    for name in ("one", "two"):
        attrs = ObjectAttributes(metadata={ATTEMPT_KEY: name})
        put = await store.put(SHARED, [BODY], size=len(BODY), crc32c=blob.crc32c, attrs=attrs)
        deleted = blob_pb2.Blob(id=name, owner_id="ada", key=SHARED, version_id=put.version_id or "")
        deleted.state, deleted.size_bytes = blob_pb2.BLOB_STATE_DELETING, len(BODY)
        work.rows[name] = deleted
    await Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=3600).run_once()
    assert ([commit.blob.blob_id for commit in work.commits], work.given_up) == ([ID], [])
    assert [one.version_id async for page in store.list_versions(SHARED) for one in page] == [
        work.commits[0].version_id
    ]


async def lost() -> tuple[MemoryObjectStore, blob_pb2.Blob]:
    store = MemoryObjectStore()
    blob = await completing(store)
    await store.abort(OWN, blob.upload_id)
    return store, blob


async def changed() -> tuple[MemoryObjectStore, blob_pb2.Blob]:
    store = MemoryObjectStore()
    blob = await completing(store)
    await store.abort(OWN, blob.upload_id)
    other = ObjectAttributes(metadata={ATTEMPT_KEY: "another attempt"})
    await store.put(OWN, [BODY], size=len(BODY), crc32c=blob.crc32c, attrs=other)
    return store, blob


async def without_versions() -> tuple[MemoryObjectStore, blob_pb2.Blob]:
    store = MemoryObjectStore(versioned=False)
    return store, await completing(store, SHARED)


@pytest.mark.parametrize("made", [lost, changed, without_versions], ids=lambda made: made.__name__)
async def test_what_can_never_be_committed_is_given_up(made: object) -> None:
    assert callable(made)
    store, blob = await made()
    work, cleaner = await cleaned(store, blob)
    assert (work.commits, work.given_up, work.released) == ([], [ID], [])
    assert cleaner.loop._wake.is_set(), "what it left is removed by the next pass, at once"


async def test_what_may_be_committed_later_is_given_back() -> None:
    class Away(MemoryObjectStore):
        async def complete(self, *args: Any, **more: Any) -> CompleteResult:
            raise StoreUnavailable

    store = Away()
    work, _ = await cleaned(store, await completing(store))
    assert (work.commits, work.given_up, work.released) == ([], [], [ID])
