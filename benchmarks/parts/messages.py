"""Parts for reading, checking and writing gRPC messages."""

from __future__ import annotations

from functools import cache

from benchmarks.parts.measured import Part, micros
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.wire import UploadChunk, decode_upload, encode_upload

MIB = 1024 * 1024
CHUNKS = 64


@cache
def _pieces() -> list[bytes]:
    """A chunk as it arrives on a connection."""
    return [bytes(256 * 1024)] * 4


def _hot_by_hand() -> float:
    def one() -> object:
        return decode_upload(encode_upload(UploadChunk(MIB, _pieces())))

    return micros(one, CHUNKS) * 1024 / 1e6


def _hot_by_protobuf() -> float:
    def one() -> object:
        raw = UploadRequest(write_offset=MIB, data=b"".join(_pieces())).SerializeToString()
        return UploadRequest.FromString(raw)

    return micros(one, CHUNKS) * 1024 / 1e6


MESSAGES = (Part("hot messages", "0003", "CPU s/GiB, both ends", _hot_by_hand, _hot_by_protobuf),)
