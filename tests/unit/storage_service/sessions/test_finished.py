"""Writes to sessions that are finished, and what those that end without a length answer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from strongroom.errors import ChecksumMismatch, IdempotencyKeyReused, OffsetOutOfRange, SizeMismatch
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.type.v1.checksums_pb2 import Checksums
from tests.unit.storage_service.sessions.bench import Bench, messages_of

BODY = bytes(range(200))


@pytest.mark.parametrize("partial", [False, True])
async def test_a_finished_upload_answers_again(partial: bool) -> None:
    bench = Bench(part_size=64)
    upload = await bench.create(len(BODY), partial=partial)
    first = await bench.write(upload, 0, BODY)
    for offset, data in ((0, BODY), (0, BODY[:70]), (len(BODY), b""), (3, BODY[3:])):
        assert await bench.write(upload, offset, data) == first
        assert await bench.write(upload, offset, data, chunk=33) == first


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("chunk", [7, 1 << 20])
async def test_a_finished_upload_is_not_the_answer_to_other_bytes(partial: bool, chunk: int) -> None:
    bench = Bench(part_size=64)
    upload = await bench.create(len(BODY), partial=partial)
    first = await bench.write(upload, 0, BODY)
    for other in (BODY[:-1] + b"x", b"x" + BODY[1:], bytes(200)):
        with pytest.raises(IdempotencyKeyReused):
            await bench.write(upload, 0, other, chunk=chunk)
    for offset, surplus in ((0, BODY + b"x"), (len(BODY), b"x"), (3, BODY)):
        with pytest.raises(SizeMismatch):
            await bench.write(upload, offset, surplus, chunk=chunk)
    with pytest.raises(ChecksumMismatch):
        await bench.write(upload, 0, BODY, chunk=chunk, write_checksums=Checksums(sha1=b"x" * 20))
    with pytest.raises(OffsetOutOfRange):
        await bench.write(upload, len(BODY) + 1, b"x", chunk=chunk)
    right = Checksums(sha1=hashlib.sha1(BODY, usedforsecurity=False).digest())
    assert await bench.write(upload, 0, BODY, chunk=chunk, write_checksums=right) == first


@pytest.mark.parametrize("size", [None, len(BODY)])
@pytest.mark.parametrize("other", [BODY[:50], bytes(50), bytes(199)], ids=["first", "others", "many"])
async def test_an_end_behind_what_was_sent_is_refused(size: int | None, other: bytes) -> None:
    """Another, shorter body under the same key: the rest would be what its caller has never sent."""
    bench = Bench(part_size=64)
    upload = await bench.create(size)
    await bench.write(upload, 0, BODY)
    for _ in range(2):
        with pytest.raises(IdempotencyKeyReused):
            await bench.write(upload, 0, other, finish=True)
        with pytest.raises(IdempotencyKeyReused):
            await bench.write(upload, len(other), b"", finish=True)
        done = await bench.write(upload, 0, BODY, finish=True)
        assert (done.file.size_bytes, await bench.write(upload, 0, b"", finish=True)) == (len(BODY), done)


async def test_messages_that_go_back_are_refused() -> None:
    """They would be skipped, whatever they hold."""
    bench = Bench(part_size=64)
    upload = await bench.create(len(BODY))

    async def going_back() -> AsyncIterator[UploadRequest]:
        yield UploadRequest(write_offset=0, data=BODY[:50])
        yield UploadRequest(write_offset=20, data=b"x" * 40)

    with pytest.raises(OffsetOutOfRange) as refused:
        await bench.use_cases.sessions.upload(UploadRequest(upload_id=upload), going_back())
    assert refused.value.metadata["persisted_size"] == "50"
    assert (await bench.use_cases.sessions.get(upload)).persisted_size == 50


async def test_first_bytes_with_checksums_may_be_sent_again() -> None:
    """The checksums are of all that the stream brings, also of what is there already."""
    bench = Bench(part_size=64)
    upload = await bench.create(len(BODY))
    sums = Checksums(sha256=hashlib.sha256(BODY[:100]).digest())
    for _ in range(2):
        answer = await bench.write(upload, 0, BODY[:100], write_checksums=sums)
        assert answer.persisted_size == 100
    with pytest.raises(ChecksumMismatch):
        await bench.write(upload, 0, BODY[:99], write_checksums=sums)


@pytest.mark.parametrize("partial", [False, True])
async def test_an_exact_offset_counts_after_the_end_too(partial: bool) -> None:
    bench = Bench(part_size=64)
    upload = await bench.create(len(BODY), partial=partial)
    first = await bench.write(upload, 0, BODY)
    for offset in (0, len(BODY) - 1, len(BODY) + 1):
        with pytest.raises(OffsetOutOfRange) as refused:
            await bench.write(upload, offset, b"x", exact_offset=True)
        assert refused.value.metadata["persisted_size"] == str(len(BODY))
    with pytest.raises(SizeMismatch) as surplus:
        await bench.write(upload, len(BODY), b"x", exact_offset=True)
    assert surplus.value.metadata["expected"] == str(len(BODY))
    assert await bench.write(upload, len(BODY), b"", exact_offset=True) == first


async def test_bytes_in_the_first_message_are_no_less_past_the_end() -> None:
    bench = Bench(part_size=64)
    upload = await bench.create(3)
    await bench.write(upload, 0, b"abc")
    message = UploadRequest(upload_id=upload, write_offset=3, data=b"d", exact_offset=True)
    with pytest.raises(SizeMismatch):
        await bench.use_cases.sessions.upload(message, messages_of(0, b"", 1, finish=False))


@pytest.mark.parametrize("size", [0, 10, 64, 200])
@pytest.mark.parametrize("before", [0, 7])
async def test_a_piece_of_unknown_length_tells_its_size_at_its_end(size: int, before: int) -> None:
    bench = Bench(part_size=64)
    upload = await bench.create(partial=True)
    if before:
        await bench.write(upload, 0, BODY[: min(before, size)])
    answer = await bench.write(upload, min(before, size), BODY[min(before, size) : size], finish=True)
    assert answer.persisted_size == size
    session = await bench.use_cases.sessions.get(upload)
    assert (session.finished, session.persisted_size) == (True, size)
