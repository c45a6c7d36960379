"""Segments of open sessions: findings about stored segments that differ from the acknowledged bytes, by
depth.
"""

from __future__ import annotations

from typing import Any, Final, cast

import pytest

from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore import checksums
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.verifying.uploads import Segments
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.upload_session_service_pb2 import Segment
from strongroom.metadata.v1.verification_service_pb2 import (
    ListLiveSegmentsResponse,
    LiveSession,
    VerificationShard,
)
from tests.doubles.memory_store import MemoryObjectStore

KEY: Final = "segments/one/0-3"
BODY: Final = b"abc"
HEADS: Final = pb.VERIFICATION_DEPTH_HEADS
BYTES: Final = pb.VERIFICATION_DEPTH_BYTES


class Records:
    """One upload with one acknowledged segment."""

    def __init__(self) -> None:
        segment = Segment(key=KEY, size_bytes=len(BODY), crc32c=checksums.crc32c_of([BODY]))
        self.reply = ListLiveSegmentsResponse(
            sessions=[LiveSession(owner_id="ada", blob_id="one", segments=[segment])]
        )

    async def live_segments(self, cursor: str = "", blob_id: str = "") -> ListLiveSegmentsResponse:
        assert not cursor or not blob_id
        return self.reply


async def found(store: MemoryObjectStore, depth: pb.VerificationDepth.ValueType) -> list[str]:
    stage = Segments(store, cast("VerificationRecords", Records()))
    step = await stage.step(VerificationShard(depth=depth))
    assert step.counts.segments == 1
    return [one.found for one in step.findings]


async def put(store: MemoryObjectStore, body: bytes) -> None:
    crc32c = checksums.crc32c_of([body])
    await store.put(KEY, [body], size=len(body), crc32c=crc32c, attrs=ObjectAttributes())


@pytest.mark.parametrize("depth", [HEADS, BYTES])
async def test_right_bytes_are_no_finding(depth: pb.VerificationDepth.ValueType) -> None:
    store = MemoryObjectStore()
    await put(store, BODY)
    assert await found(store, depth) == []


@pytest.mark.parametrize("body", [b"abX", b"\0\0\0"])
async def test_other_bytes_of_the_same_length_are_found_by_reading(body: bytes) -> None:
    store = MemoryObjectStore()
    await put(store, body)
    assert await found(store, BYTES) == [f"3 bytes, {checksums.crc32c_of([body]):08x}"]


@pytest.mark.parametrize("body", [b"ab", b"", b"abcd"])
async def test_another_length_is_found_at_once(body: bytes) -> None:
    store = MemoryObjectStore()
    await put(store, body)
    assert await found(store, HEADS) == [f"{len(body)} bytes"]


async def test_nothing_and_a_delete_marker_are_found_at_once() -> None:
    store = MemoryObjectStore()
    assert await found(store, HEADS) == [""]
    await put(store, BODY)
    await store.delete(ObjectRef(KEY))
    assert await found(store, HEADS) == [""]


async def test_one_that_is_needed_no_longer_is_not_missed() -> None:
    """Its session has ended since the page was read."""

    class Ended(Records):
        async def live_segments(self, cursor: str = "", blob_id: str = "") -> ListLiveSegmentsResponse:
            return ListLiveSegmentsResponse() if blob_id else self.reply

    stage = Segments(MemoryObjectStore(), cast("VerificationRecords", Ended()))
    assert (await stage.step(VerificationShard(depth=HEADS))).findings == []


async def test_bytes_are_read_only_where_they_are_asked_for() -> None:
    class Counting(MemoryObjectStore):
        reads = 0

        def open(self, ref: ObjectRef, **more: Any) -> Any:
            self.reads += 1
            return super().open(ref, **more)

    store = Counting()
    await put(store, BODY)
    assert (await found(store, HEADS), store.reads) == ([], 0)
    assert (await found(store, BYTES), store.reads) == ([], 1)
