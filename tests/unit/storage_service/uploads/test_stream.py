"""A stream is a complete body only if it ends with finish_write and contains exactly the announced bytes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import google_crc32c
import pytest

from storage_service.content.body import MAX_CHUNK, BodyChecks, SizeRule
from storage_service.uploads.stream import UploadStream
from strongroom import errors
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_DOCUMENTS, FileTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.type.v1.checksums_pb2 import Checksums
from strongroom.wire import UploadChunk

SPEC = UploadSpec(target=UploadTarget(file=FileTarget()))


async def _stream(*messages: UploadRequest | UploadChunk) -> AsyncIterator[UploadRequest | UploadChunk]:
    for message in messages:
        yield message


def _checks(limit: int = 1000, declared: int | None = None, expected: Checksums | None = None) -> BodyChecks:
    return BodyChecks(SizeRule("files", limit), declared=declared, expected=expected or Checksums())


async def _read(checks: BodyChecks, *messages: UploadRequest | UploadChunk) -> bytes:
    stream = UploadStream(_stream(*messages))
    await stream.first()
    return b"".join([bytes(chunk.data) async for chunk in stream.chunks(checks)])


async def test_a_whole_body_arrives_in_order() -> None:
    checks = _checks()
    body = await _read(
        checks,
        UploadRequest(spec=SPEC, data=b"abc"),
        UploadChunk(3, (b"de",)),
        UploadRequest(write_offset=5, data=b"f", finish_write=True),
    )
    assert body == b"abcdef"
    assert (checks.size, checks.crc32c, checks.size_hint) == (6, google_crc32c.value(b"abcdef"), 6)


async def test_an_empty_body_is_a_body_once_it_is_finished() -> None:
    assert await _read(_checks(), UploadRequest(spec=SPEC, finish_write=True)) == b""


@pytest.mark.parametrize("sent", [0, 1, 2, 3])
async def test_the_end_of_the_stream_means_nothing(sent: int) -> None:
    messages = [UploadRequest(spec=SPEC, data=b"ab")] + [UploadChunk(2 + n, (b"x",)) for n in range(sent)]
    with pytest.raises(errors.UploadIncomplete, match="nothing was stored"):
        await _read(_checks(), *messages)


async def test_no_message_at_all() -> None:
    with pytest.raises(errors.UploadIncomplete):
        await UploadStream(_stream()).first()


async def test_the_first_message_must_name_the_upload() -> None:
    with pytest.raises(errors.MalformedRequest):
        await UploadStream(_stream(UploadChunk(0, (b"x",)))).first()


async def test_a_second_spec_is_refused() -> None:
    with pytest.raises(errors.MalformedRequest):
        await _read(_checks(), UploadRequest(spec=SPEC), UploadRequest(spec=SPEC, finish_write=True))


@pytest.mark.parametrize(
    "later",
    [
        UploadChunk(0, (b"ef",)),
        UploadChunk(2, (b"cdef",)),
        UploadChunk(3, (b"e",)),
        UploadChunk(3, (), finish_write=True),
    ],
)
async def test_a_message_that_goes_back_is_refused(later: UploadChunk) -> None:
    """Its bytes would be skipped without being compared. Of a client that sets no offsets only the first
    message would be stored, and its finish_write would be answered with a file.
    """
    end = UploadRequest(write_offset=6, finish_write=True)
    with pytest.raises(errors.OffsetOutOfRange) as refused:
        await _read(_checks(), UploadRequest(spec=SPEC, data=b"abcd"), later, end)
    assert refused.value.metadata["persisted_size"] == "4"


async def test_the_end_alone_need_not_say_where_it_is() -> None:
    assert (
        await _read(_checks(), UploadRequest(spec=SPEC, data=b"ab"), UploadRequest(finish_write=True))
        == b"ab"
    )


async def test_a_gap_is_refused_and_says_where_to_go_on() -> None:
    with pytest.raises(errors.OffsetOutOfRange) as refused:
        await _read(_checks(), UploadRequest(spec=SPEC, data=b"abcd"), UploadChunk(5, (b"x",)))
    assert refused.value.metadata["persisted_size"] == "4"


async def test_a_damaged_chunk_is_refused() -> None:
    with pytest.raises(errors.ChecksumMismatch):
        await _read(_checks(), UploadRequest(spec=SPEC, data=b"abcd", crc32c=1, finish_write=True))


async def test_a_chunk_over_two_mebibytes_is_refused() -> None:
    with pytest.raises(errors.ChunkTooLarge):
        await _read(_checks(limit=1 << 30), UploadRequest(spec=SPEC, data=bytes(MAX_CHUNK + 1)))


async def test_the_limit_is_named() -> None:
    with pytest.raises(errors.SizeLimitExceeded, match="5 bytes for files"):
        await _read(_checks(limit=5), UploadRequest(spec=SPEC, data=b"abcdef", finish_write=True))


def test_a_declared_size_over_the_limit_is_refused_before_any_byte() -> None:
    with pytest.raises(errors.SizeLimitExceeded):
        _checks(limit=5, declared=6)


@pytest.mark.parametrize("declared", [2, 4])
async def test_another_size_than_declared_is_refused(declared: int) -> None:
    with pytest.raises(errors.SizeMismatch):
        await _read(_checks(declared=declared), UploadRequest(spec=SPEC, data=b"abc", finish_write=True))


@pytest.mark.parametrize(
    ("announced", "final"),
    [
        (Checksums(crc32c=1), Checksums()),
        (Checksums(), Checksums(crc32c=1)),
        (Checksums(md5=bytes(16)), Checksums()),
        (Checksums(sha256=bytes(32)), Checksums()),
    ],
)
async def test_a_wrong_checksum_is_refused(announced: Checksums, final: Checksums) -> None:
    last = UploadRequest(spec=SPEC, data=b"abc", finish_write=True, object_checksums=final)
    with pytest.raises(errors.ChecksumMismatch):
        await _read(_checks(expected=announced), last)


async def test_right_checksums_pass() -> None:
    right = Checksums(
        crc32c=google_crc32c.value(b"abc"),
        md5=hashlib.md5(b"abc", usedforsecurity=False).digest(),
        sha256=hashlib.sha256(b"abc").digest(),
    )
    last = UploadRequest(spec=SPEC, data=b"abc", finish_write=True, object_checksums=right)
    assert await _read(_checks(expected=right), last) == b"abc"


async def test_a_digest_that_was_not_announced_is_refused_with_advice() -> None:
    last = UploadRequest(
        spec=SPEC, data=b"abc", finish_write=True, object_checksums=Checksums(sha256=bytes(32))
    )
    with pytest.raises(errors.InvalidField, match=r"spec\.checksums"):
        await _read(_checks(), last)


async def test_a_provisional_target_may_be_corrected_by_the_last_message() -> None:
    corrected = UploadSpec(target=UploadTarget(file=FileTarget(folder=FILE_FOLDER_DOCUMENTS)))
    stream = UploadStream(
        _stream(
            UploadRequest(spec=SPEC, data=b"ab", provisional_target=True),
            UploadRequest(spec=corrected, write_offset=2, data=b"c", finish_write=True),
        )
    )
    await stream.first()
    assert stream.provisional
    body = b"".join([bytes(chunk.data) async for chunk in stream.chunks(_checks())])
    assert (body, stream.spec, stream.provisional) == (b"abc", corrected, False)


async def test_a_correction_before_the_last_message_is_refused() -> None:
    with pytest.raises(errors.MalformedRequest):
        await _read(_checks(), UploadRequest(spec=SPEC, provisional_target=True), UploadRequest(spec=SPEC))
