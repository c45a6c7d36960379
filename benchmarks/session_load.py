"""Resumable uploads like those of clients: sessions over gRPC, tus over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import grpc

from benchmarks import payload
from strongroom.metadata.v1 import target_pb2
from strongroom.storage.v1 import storage_service_pb2_grpc, upload_pb2

_TIMEOUT = 600.0
_OPTIONS = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
_TUS = {"Tus-Resumable": "1.0.0"}


class Sessions:
    """A connection to storage_service as one user. Close it."""

    def __init__(self, address: str, token: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._stub = storage_service_pb2_grpc.StorageServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    def create(self, size: int) -> str:
        """CreateUpload of `size` bytes. Returns the upload_id."""
        target = target_pb2.UploadTarget(file=target_pb2.FileTarget())
        spec = target_pb2.UploadSpec(target=target, filename="payload.bin", size_bytes=size)
        request = upload_pb2.CreateUploadRequest(spec=spec)
        answer = self._stub.CreateUpload(request, metadata=self._metadata, timeout=_TIMEOUT)
        upload_id: str = answer.session.upload_id
        return upload_id

    def offset(self, upload_id: str) -> int:
        """GetUpload, which ends an earlier writer. Returns the offset."""
        request = upload_pb2.GetUploadRequest(upload_id=upload_id, preempt=True)
        answer = self._stub.GetUpload(request, metadata=self._metadata, timeout=_TIMEOUT)
        return int(answer.session.persisted_size)

    def write(self, upload_id: str, offset: int, size: int) -> int:
        """One Upload of `size` bytes (whole MiB) from `offset`. Returns the persisted size."""

        def messages() -> Iterator[upload_pb2.UploadRequest]:
            yield upload_pb2.UploadRequest(upload_id=upload_id, write_offset=offset)
            at = offset
            for chunk in payload.chunks(size):
                yield upload_pb2.UploadRequest(write_offset=at, data=bytes(chunk))
                at += len(chunk)

        answer = self._stub.Upload(messages(), metadata=self._metadata, timeout=_TIMEOUT)
        return int(answer.file.size_bytes if answer.HasField("file") else answer.persisted_size)

    def upload(self, size: int, piece: int) -> None:
        """Upload a whole file of `size` bytes, with `piece` bytes in each Upload."""
        upload_id = self.create(size)
        for offset in range(0, size, piece):
            end = min(offset + piece, size)
            persisted = self.write(upload_id, offset, end - offset)
            if persisted != end:
                raise RuntimeError(f"{persisted} bytes are persisted, not {end}")

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class Tus:
    """A keep-alive connection to the gateway as one user. Close it."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)
        self._headers = _TUS | {"Authorization": f"Bearer {token}"}

    def create(self, size: int) -> str:
        """POST an upload of `size` bytes. Returns its path."""
        told = self._told("POST", "/files", {"Upload-Length": str(size)}, b"")
        return urlsplit(told["Location"]).path

    def write(self, path: str, offset: int, data: bytes) -> int:
        """PATCH at `offset`. Returns the new offset."""
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        return int(self._told("PATCH", path, kind, data)["Upload-Offset"])

    def upload(self, size: int, piece: int) -> None:
        """Upload a whole file of `size` bytes, with `piece` bytes (at most 1 MiB) in each PATCH."""
        path, block = self.create(size), payload.block()
        for offset in range(0, size, piece):
            end = min(offset + piece, size)
            persisted = self.write(path, offset, block[: end - offset])
            if persisted != end:
                raise RuntimeError(f"{persisted} bytes are persisted, not {end}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _told(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Message:
        self._connection.request(method, path, body=body, headers={**self._headers, **headers})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return answer.headers


def tus_resume(url: str, token: str, upload_id: str, size: int) -> int:
    """Resume on a new connection: HEAD, and a PATCH of `size` bytes from there. Returns the new offset."""
    place = urlsplit(url)
    path, signed = f"/files/{upload_id}", _TUS | {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection(place.netloc, timeout=_TIMEOUT)
    try:
        connection.request("HEAD", path, headers=signed)
        answer = connection.getresponse()
        answer.read()
        headers = signed | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": answer.headers["Upload-Offset"],
        }
        connection.request("PATCH", path, body=payload.block()[:size], headers=headers)
        return int(connection.getresponse().headers["Upload-Offset"])
    finally:
        connection.close()
