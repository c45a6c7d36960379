"""The hand-written wire form is protobuf's, byte for byte in meaning."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from strongroom import wire
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.download_pb2 import DownloadResponse
from strongroom.storage.v1.upload_pb2 import UploadRequest

OFFSETS = st.integers(0, 2**63 - 1)
CRCS = st.none() | st.integers(0, 2**32 - 1)


@given(OFFSETS, st.lists(st.binary(max_size=300), max_size=5), CRCS, st.booleans())
def test_an_upload_chunk_is_what_protobuf_reads(
    offset: int, pieces: list[bytes], crc32c: int | None, finish: bool
) -> None:
    raw = wire.encode_upload(wire.UploadChunk(offset, pieces, crc32c, finish))
    message = UploadRequest.FromString(raw)
    assert (message.write_offset, message.data, message.finish_write) == (offset, b"".join(pieces), finish)
    assert (message.crc32c if message.HasField("crc32c") else None) == crc32c
    read = wire.decode_upload(raw)
    assert isinstance(read, wire.UploadChunk)
    assert read.tail_of.endswith(bytes(read.data))


@given(OFFSETS, st.binary(max_size=300), CRCS, st.booleans())
def test_what_protobuf_writes_is_read_as_a_chunk(
    offset: int, data: bytes, crc32c: int | None, finish: bool
) -> None:
    message = UploadRequest(write_offset=offset, data=data, crc32c=crc32c, finish_write=finish)
    chunk = wire.decode_upload(message.SerializeToString())
    assert isinstance(chunk, wire.UploadChunk)
    assert (chunk.write_offset, bytes(chunk.data), chunk.crc32c, chunk.finish_write) == (
        offset,
        data,
        crc32c,
        finish,
    )


def test_data_that_other_fields_follow_is_no_tail() -> None:
    read = wire.decode_upload(UploadRequest(data=b"abc", finish_write=True).SerializeToString())
    assert isinstance(read, wire.UploadChunk)
    assert (bytes(read.data), read.tail_of) == (b"abc", b"")


def test_a_first_message_goes_through_protobuf() -> None:
    first = UploadRequest(spec=UploadSpec(filename="ü.txt"), data=b"abc")
    assert wire.decode_upload(wire.encode_upload(first)) == first


@given(st.binary(max_size=40))
def test_any_bytes_mean_what_they_mean_to_protobuf(raw: bytes) -> None:
    try:
        expected = UploadRequest.FromString(raw)
    except DecodeError:
        with pytest.raises(DecodeError):
            wire.decode_upload(raw)
        return
    read = wire.decode_upload(raw)
    if isinstance(read, wire.UploadChunk):
        assert (read.write_offset % 2**64, bytes(read.data), read.finish_write) == (
            expected.write_offset % 2**64,
            expected.data,
            expected.finish_write,
        )
    else:
        assert read.SerializeToString() == expected.SerializeToString()


@given(st.binary(max_size=300))
def test_a_download_chunk_is_what_protobuf_reads_and_writes(data: bytes) -> None:
    assert DownloadResponse.FromString(wire.encode_download(wire.DownloadChunk(data))).data == data
    read = wire.decode_download(DownloadResponse(data=data).SerializeToString())
    assert bytes(read.data) == data


def test_the_first_download_message_goes_through_protobuf() -> None:
    first = DownloadResponse(read_offset=5, read_size=7)
    assert wire.decode_download(wire.encode_download(first)) == first
