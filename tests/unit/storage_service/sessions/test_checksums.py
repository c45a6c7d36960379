"""Checksums of one write and of the whole: announced first or last, computed on the way or by reading
back.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import google_crc32c
import pytest

from strongroom.errors import ChecksumMismatch, UploadLost
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.type.v1.checksums_pb2 import Checksums
from tests.unit.storage_service.sessions.bench import Bench

BODY = bytes(range(256)) * 2
PART = 64
NAMES = ["crc32c", "md5", "sha1", "sha256"]
HASHES = NAMES[1:]


def sums(name: str, data: bytes) -> Checksums:
    """Return one checksum of ``data``."""
    if name == "crc32c":
        return Checksums(crc32c=google_crc32c.value(data))
    found = Checksums()
    setattr(found, name, hashlib.new(name, data).digest())
    return found


async def finish(bench: Bench, upload: str, offset: int, checksums: Checksums) -> UploadResponse:
    """Send the rest of BODY; the last message has the checksum of the whole."""

    async def messages() -> AsyncIterator[UploadRequest]:
        yield UploadRequest(write_offset=offset, data=BODY[offset:])
        yield UploadRequest(write_offset=len(BODY), finish_write=True, object_checksums=checksums)

    first = UploadRequest(upload_id=upload, write_offset=offset)
    return await bench.use_cases.sessions.upload(first, messages())


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose ``store.calls["open"]`` counts reads of objects."""
    made = Bench(part_size=PART)
    real = made.store.open

    def counted(*args: object, **more: object) -> object:
        made.store.calls["open"] += 1
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(made.store, "open", counted)
    return made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, PART, 3 * PART + 5])
async def test_a_write_counts_as_a_whole_or_not_at_all(bench: Bench, name: str, size: int) -> None:
    upload = await bench.create()
    await bench.write(upload, 0, BODY[:7])
    data = BODY[7 : 7 + size]
    for wrong in (data[::-1] + b"x", data + b"x", data[:-1]):
        with pytest.raises(ChecksumMismatch):
            await bench.write(upload, 7, data, chunk=50, write_checksums=sums(name, wrong))
        assert (await bench.use_cases.sessions.get(upload)).persisted_size == 7
    answer = await bench.write(upload, 7, data, chunk=50, write_checksums=sums(name, data))
    assert answer.persisted_size == 7 + size
    done = await bench.write(upload, 7 + size, BODY[7 + size :], finish=True)
    assert await bench.object_of(done.file) == BODY


async def test_a_checked_write_that_is_cut_short_counts_for_nothing(bench: Bench) -> None:
    """The end of the stream doesn't end the write: only the complete data matches."""
    upload = await bench.create(len(BODY))
    with pytest.raises(ChecksumMismatch):
        await bench.write(upload, 0, BODY[:200], write_checksums=sums("sha1", BODY))
    assert (await bench.use_cases.sessions.get(upload)).persisted_size == 0


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("restarts", [False, True])
async def test_announced_first(bench: Bench, name: str, restarts: bool) -> None:
    """One process computes the checksum while it writes. After a restart the object is read back once before
    it is visible.
    """
    upload = await bench.create(len(BODY), checksums=sums(name, BODY))
    await bench.write(upload, 0, BODY[:PART])
    if restarts:
        bench.restart()
    file = (await bench.write(upload, PART, BODY[PART:])).file
    assert bench.store.calls["open"] == int(restarts)
    assert await bench.object_of(file) == BODY


@pytest.mark.parametrize("name", HASHES)
async def test_announced_late_is_read_back(bench: Bench, name: str) -> None:
    upload = await bench.create()
    await bench.write(upload, 0, BODY[:PART])
    file = (await finish(bench, upload, PART, sums(name, BODY))).file
    assert bench.store.calls["open"] == 1
    assert await bench.object_of(file) == BODY


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("late", [False, True])
async def test_a_whole_that_does_not_match_is_lost(bench: Bench, name: str, late: bool) -> None:
    wrong = sums(name, BODY[::-1])
    upload = await bench.create(checksums=None if late else wrong)
    await bench.write(upload, 0, BODY[:PART])
    with pytest.raises(ChecksumMismatch):
        await finish(bench, upload, PART, wrong if late else Checksums())
    if name != "crc32c":  # a wrong CRC-32C is refused with the last chunk, and the bytes before it are valid
        with pytest.raises(UploadLost):
            await bench.use_cases.sessions.get(upload)
    assert all(not session.HasField("file") for session in bench.state.sessions.values())


@pytest.mark.parametrize("name", HASHES)
async def test_a_small_object_is_compared_before_it_is_sent(bench: Bench, name: str) -> None:
    upload = await bench.create(5, checksums=sums(name, b"right"))
    with pytest.raises(ChecksumMismatch):
        await bench.write(upload, 0, b"wrong")
    assert bench.store.calls["put"] == 0
