"""Writes to finished sessions, and the answers of sessions that end without a length."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import google_crc32c
import pytest

from storage_service.objectstore.values import ObjectAttributes
from strongroom.errors import (
    ChecksumMismatch,
    IdempotencyKeyReused,
    OffsetOutOfRange,
    SizeMismatch,
    UploadNotFound,
)
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.metadata.v1.upload_session_service_pb2 import Session
from strongroom.storage.v1.direct_pb2 import CompleteUploadRequest, SignUploadRequest
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
    """The caller sends another, shorter body under the same key; the file would end in bytes that it never
    sent.
    """
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
    """Their bytes would be skipped without being compared."""
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
    """The checksums cover all bytes of the stream, including those stored before."""
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


def replaced_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the sessions of ``bench`` disappear once they have become files."""
    get = bench.state.get

    async def get_unless_made(upload_id: str) -> Session:
        session = await get(upload_id)
        if session.HasField("file"):
            raise UploadNotFound("Its file was replaced.")
        return session

    monkeypatch.setattr(bench.state, "get", get_unless_made)


@pytest.mark.parametrize("size", [0, 40, 200])
async def test_a_file_that_is_gone_as_soon_as_it_is_made_is_the_answer(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Another upload may replace it between the commit and any later query."""
    bench = Bench(part_size=64)
    piece = await bench.create(size, partial=True)
    if size:
        await bench.write(piece, 0, BODY[:size])
    waiting = await bench.create()
    await bench.write(waiting, 0, BODY[:size])
    replaced_at_once(bench, monkeypatch)
    joined = await bench.join([piece])
    assert await bench.object_of(joined.file) == BODY[:size]
    assert (joined.session.finished, joined.session.persisted_size) == (True, size)
    declared = await bench.use_cases.sessions.declare(waiting, size)
    assert (declared.finished, declared.file.size_bytes) == (True, size)
    if not size:
        await bench.create(0)


@pytest.mark.parametrize("size", [3, 200])
async def test_a_direct_upload_that_is_replaced_as_soon_as_it_is_made(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    bench = Bench(part_size=64)
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), size_bytes=size)
    begun = await bench.use_cases.direct.sign(SignUploadRequest(spec=spec))
    blob = bench.state.sessions[begun.upload_id].blob
    if blob.upload_id:
        for at in range(0, size, 64):
            body = BODY[at : min(at + 64, size)]
            crc32c = google_crc32c.value(body)
            await bench.store.upload_part(
                blob.key, blob.upload_id, at // 64 + 1, [body], size=len(body), crc32c=crc32c
            )
    else:
        attrs = ObjectAttributes(content_type=blob.content_type, metadata=dict(blob.object_metadata))
        crc32c = google_crc32c.value(BODY[:size])
        await bench.store.put(blob.key, [BODY[:size]], size=size, crc32c=crc32c, attrs=attrs)

    replaced_at_once(bench, monkeypatch)
    file = await bench.use_cases.direct.complete(CompleteUploadRequest(upload_id=begun.upload_id))
    assert await bench.object_of(file) == BODY[:size]
