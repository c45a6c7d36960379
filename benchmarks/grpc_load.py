"""Uploads and downloads directly over gRPC with the public stubs, like another team's service."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from benchmarks import payload
from strongroom.metadata.v1 import target_pb2
from strongroom.storage.v1 import download_pb2, storage_service_pb2_grpc, upload_pb2

_TIMEOUT = 600.0
_OPTIONS = (("grpc.http2.bdp_probe", 0),)


def _messages(size: int) -> Iterator[upload_pb2.UploadRequest]:
    spec = target_pb2.UploadSpec(
        target=target_pb2.UploadTarget(file=target_pb2.FileTarget()), filename="payload.bin", size_bytes=size
    )
    yield upload_pb2.UploadRequest(spec=spec)
    offset = 0
    for chunk in payload.chunks(size):
        yield upload_pb2.UploadRequest(write_offset=offset, data=bytes(chunk))
        offset += len(chunk)
    yield upload_pb2.UploadRequest(write_offset=offset, finish_write=True)


class Storage:
    """A channel to storage_service, as one user. Close it."""

    def __init__(self, address: str, token: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._stub = storage_service_pb2_grpc.StorageServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    def upload(self, size: int) -> str:
        """Upload `size` bytes in messages of 1 MiB. Returns the key."""
        answer = self._stub.Upload(_messages(size), metadata=self._metadata, timeout=_TIMEOUT)
        key: str = answer.file.key
        return key

    def download(self, key: str) -> int:
        """Read the whole file. Returns the number of bytes."""
        request = download_pb2.DownloadRequest(key=key)
        stream = self._stub.Download(request, metadata=self._metadata, timeout=_TIMEOUT)
        return sum(len(message.data) for message in stream)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
