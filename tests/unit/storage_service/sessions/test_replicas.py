"""Two processes on one state; and bytes damaged by the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from storage_service.attempts.segments import READS
from storage_service.objectstore.interface import ObjectStream
from storage_service.objectstore.values import ObjectRef
from storage_service.sessions.kept import TELL_SECONDS, KeptSessions
from strongroom.errors import OffsetOutOfRange, UploadLost, UploadSuperseded
from strongroom.metadata.v1.upload_session_service_pb2 import RecordProgressRequest, RecordProgressResponse
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.unit.storage_service.sessions.bench import Bench

PART = 1000


def replicas() -> tuple[Bench, Bench]:
    first, second = Bench(part_size=PART), Bench(part_size=PART)
    second.store, second.state = first.store, first.state
    second.restart()
    return first, second


@pytest.mark.parametrize("sent", [1, 300, 999, 1000, 1500, 2999])
async def test_the_offset_that_another_replica_tells_holds(sent: int) -> None:
    first, second = replicas()
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
    await asyncio.wait_for(received.wait(), 60)
    told = await second.use_cases.sessions.get(upload, preempt=True)
    go_on.set()
    with pytest.raises(UploadSuperseded):
        await writing
    answered = await second.write(upload, told.persisted_size, b"a" * (4000 - told.persisted_size))
    assert await second.object_of(answered.file) == b"a" * 4000


@pytest.mark.parametrize("slow", [0.01, 0.05, 0.09, 0.15])
async def test_a_told_offset_is_taken_however_long_the_recording_took(
    monkeypatch: pytest.MonkeyPatch, slow: float
) -> None:
    first, second = replicas()
    upload = await first.create(4000)
    record = first.state.record

    async def slowly(request: RecordProgressRequest) -> RecordProgressResponse:
        response = await record(request)
        await asyncio.sleep(slow)  # Postgres has recorded it, and the answer is in transit
        return response

    kept: list[bool] = []
    keep = KeptSessions.keep

    def keeping(sessions: KeptSessions, *args: Any, asked_at: float, answered_at: float) -> None:
        kept.append(answered_at - asked_at <= TELL_SECONDS)  # on a busy machine it may take longer
        keep(sessions, *args, asked_at=asked_at, answered_at=answered_at)

    monkeypatch.setattr(first.state, "record", slowly)
    monkeypatch.setattr(KeptSessions, "keep", keeping)
    for offset in range(0, 400, 100):
        await first.write(upload, offset, b"a" * 100, exact_offset=True)
        assert (await second.use_cases.sessions.get(upload, preempt=True)).persisted_size == offset + 100
    assert len(kept) == 4
    assert slow < TELL_SECONDS or not any(kept)
    assert first.state.acquired == 4 + 1 + kept[:3].count(False)


@pytest.mark.parametrize("sent", [1, 900, 901, 2900, 3900])
async def test_the_next_write_at_a_told_offset_is_taken_by_any_replica(sent: int) -> None:
    first, second = replicas()
    upload = await first.create(4000)
    await first.write(upload, 0, b"a" * 100)
    told = await second.use_cases.sessions.get(upload, preempt=True)
    assert told.persisted_size == 100
    await first.write(upload, 100, b"b" * sent, exact_offset=True)
    body = b"a" * 100 + b"b" * sent
    if len(body) < 4000:
        with pytest.raises(OffsetOutOfRange):
            await second.write(upload, 100, b"c", exact_offset=True)
        await second.write(upload, len(body), b"c" * (4000 - len(body)), exact_offset=True)
    made = await first.use_cases.sessions.get(upload)
    assert await first.object_of(made.file) == body + b"c" * (4000 - len(body))


async def test_replicas_take_turns() -> None:
    first, second = replicas()
    upload = await first.create(4000)
    for offset in range(0, 4000, 400):
        await (first, second)[offset // 400 % 2].write(upload, offset, b"%d" % (offset // 400) * 400)
    made = await first.use_cases.sessions.get(upload)
    assert await first.object_of(made.file) == b"".join(b"%d" % one * 400 for one in range(10))


async def test_a_length_that_another_replica_was_told_ends_the_upload() -> None:
    first, second = replicas()
    upload = await first.create()
    await first.write(upload, 0, b"a" * 100)
    await second.use_cases.sessions.get(upload, preempt=True)
    await second.use_cases.sessions.declare(upload, 250)
    answered = await first.write(upload, 100, b"b" * 150)
    assert await first.object_of(answered.file) == b"a" * 100 + b"b" * 150


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
    bench.restart()  # drops the bytes in memory
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
