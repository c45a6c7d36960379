"""Two processes on one state; and bytes that the store has damaged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storage_service.attempts.segments import READS
from storage_service.objectstore.interface import ObjectStream
from storage_service.objectstore.values import ObjectRef
from strongroom.errors import UploadLost, UploadSuperseded
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.unit.storage_service.sessions.bench import Bench

PART = 1000


@pytest.mark.parametrize("sent", [1, 300, 999, 1000, 1500, 2999])
async def test_the_offset_that_another_replica_tells_holds(sent: int) -> None:
    first = Bench(part_size=PART)
    second = Bench(part_size=PART)
    second.store, second.state = first.store, first.state
    second.restart()
    upload = await first.create(4000)
    await first.write(upload, 0, b"a" * 100)
    received, go_on = asyncio.Event(), asyncio.Event()

    async def stream() -> AsyncIterator[UploadRequest]:
        yield UploadRequest(write_offset=100, data=b"a" * sent)
        received.set()
        await go_on.wait()
        yield UploadRequest(write_offset=100 + sent, data=b"a" * 10)

    opening = UploadRequest(upload_id=upload, write_offset=100)
    writing = asyncio.create_task(first.use_cases.sessions.upload(opening, stream()))
    await asyncio.wait_for(received.wait(), 10)
    told = await second.use_cases.sessions.get(upload, preempt=True)
    go_on.set()
    with pytest.raises(UploadSuperseded):
        await writing
    answered = await second.write(upload, told.persisted_size, b"a" * (4000 - told.persisted_size))
    assert await second.object_of(answered.file) == b"a" * 4000


async def test_asking_before_the_first_write_changes_nothing() -> None:
    bench = Bench(part_size=PART)
    upload = await bench.create(2000)
    await bench.use_cases.sessions.get(upload, preempt=True)
    assert bench.state.sessions[upload].blob.epoch == 1


@pytest.mark.parametrize("mismatches", range(READS + 1))
async def test_a_segment_that_reads_back_wrong_ends_the_upload(
    monkeypatch: pytest.MonkeyPatch, mismatches: int
) -> None:
    bench = Bench(part_size=PART)
    upload = await bench.create(2000)
    await bench.write(upload, 0, b"a" * 100)
    sound, left = bench.store.open, [mismatches]

    @asynccontextmanager
    async def damaged(ref: ObjectRef, **where: object) -> AsyncIterator[ObjectStream | _Wrong]:
        async with sound(ref, **where) as body:  # type: ignore[arg-type]
            if not left[0]:
                yield body
                return
            left[0] -= 1
            yield _Wrong()

    monkeypatch.setattr(bench.store, "open", damaged)
    if mismatches < READS:
        answered = await bench.write(upload, 100, b"a" * 1900)
        assert answered.file.size_bytes == 2000
        return
    with pytest.raises(UploadLost):
        await bench.write(upload, 100, b"a" * 1900)
    with pytest.raises(UploadLost):
        await bench.use_cases.sessions.get(upload, preempt=True)


class _Wrong:
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"b" * 100
