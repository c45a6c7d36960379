"""Writes to sessions that are finished, and what those that end without a length answer."""

from __future__ import annotations

import pytest

from strongroom.errors import OffsetOutOfRange, SizeMismatch
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.unit.storage_service.sessions.bench import Bench, messages_of

BODY = bytes(range(200))


@pytest.mark.parametrize("partial", [False, True])
async def test_a_finished_upload_answers_again(partial: bool) -> None:
    bench = Bench(part_size=64)
    upload = await bench.create(len(BODY), partial=partial)
    first = await bench.write(upload, 0, BODY)
    for offset, data in ((0, BODY), (len(BODY), b""), (3, b"anything")):
        assert await bench.write(upload, offset, data) == first


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
