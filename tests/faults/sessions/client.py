"""A client of sessions over gRPC, and queries about a session."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import google_crc32c
import grpc

from strongroom.errors import StrongroomError, from_rpc_error
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.storage.v1 import upload_pb2
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse, UploadSession
from tests.faults.cell import Cell
from tests.faults.rpc import CHUNK, channel, signed_in
from tests.stack import PATIENCE, until

MIB = 1 << 20
PART = 5 * MIB
_THREADS = ThreadPoolExecutor(8, "writer")
TRANSIENT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED}


def body_of(size: int, seed: int = 1) -> bytes:
    """Pseudo-random bytes: no shift or compression goes unnoticed."""
    return random.Random(seed).randbytes(size)


class SessionClient:
    """One owner's calls, each on a new connection so that a restart does not meet an old one."""

    def __init__(self, cell: Cell, owner: str = "") -> None:
        self.cell = cell
        self.owner = owner or f"user-{uuid.uuid4().hex[:12]}"

    def spec(self, size: int | None = None, **more: Any) -> UploadSpec:
        """A plain file of any type."""
        spec = UploadSpec(target=UploadTarget(file=FileTarget()), filename="file.bin", **more)
        if size is not None:
            spec.size_bytes = size
        return spec

    def create(self, size: int | None = None, **more: Any) -> UploadSession:
        """CreateUpload."""
        options = {name: more.pop(name) for name in ("partial", "annotation") if name in more}
        request = upload_pb2.CreateUploadRequest(spec=self.spec(size, **more), **options)
        session: UploadSession = self.call("CreateUpload", request).session
        return session

    def write(
        self,
        upload_id: str,
        offset: int,
        data: bytes,
        *,
        finish: bool = False,
        chunk: int = CHUNK,
        **first: Any,
    ) -> UploadResponse:
        """Upload these bytes; half-closed at the end."""
        messages = write_messages(upload_id, offset, data, finish=finish, chunk=chunk, **first)
        answer: UploadResponse = self.call("Upload", messages)
        return answer

    def get(self, upload_id: str, *, preempt: bool = False) -> UploadSession:
        """GetUpload."""
        request = upload_pb2.GetUploadRequest(upload_id=upload_id, preempt=preempt)
        session: UploadSession = self.call("GetUpload", request).session
        return session

    def get_settled(self, upload_id: str) -> UploadSession:
        """GetUpload, repeated while the answer says so."""
        found = until("the upload can be asked about", lambda: self._try_get(upload_id), pause=0.2)
        assert found is not None
        return found

    def cancel(self, upload_id: str) -> None:
        """CancelUpload."""
        self.call("CancelUpload", upload_pb2.CancelUploadRequest(upload_id=upload_id))

    def declare(self, upload_id: str, size: int) -> UploadSession:
        """DeclareUploadLength."""
        request = upload_pb2.DeclareUploadLengthRequest(upload_id=upload_id, size_bytes=size)
        session: UploadSession = self.call("DeclareUploadLength", request).session
        return session

    def call(self, method: str, request: Any) -> Any:
        """One RPC. Raises the StrongroomError of its answer."""
        with channel(self.cell) as connection:
            stub = StorageServiceStub(connection)
            try:
                return getattr(stub, method)(
                    request, timeout=PATIENCE, metadata=signed_in(self.cell, self.owner)
                )
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

    def start_write(self, upload_id: str, offset: int, data: bytes) -> Future[UploadResponse]:
        """``write`` in a thread."""
        return _THREADS.submit(self.write, upload_id, offset, data)

    def finish_somehow(self, upload_id: str, body: bytes, piece: int = 2 * MIB) -> UploadSession:
        """Continue after any failure, like a client: ask for the offset, write, repeat. The offset may never
        go back.
        """
        seen = 0

        def step() -> UploadSession | None:
            nonlocal seen
            try:
                session = self.get(upload_id)
                assert session.persisted_size >= seen, "the offset went back"
                seen = session.persisted_size
                if session.finished:
                    return session
                assert seen < len(body), "all bytes are there, and yet it is not finished"
                self.write(upload_id, seen, body[seen : seen + piece])
            except StrongroomError as error:
                if error.code not in TRANSIENT:
                    raise
            return None

        found = until("the upload finishes", step, pause=0.05)
        assert found is not None
        return found

    def stored(self, session: UploadSession) -> bytes | None:
        """The object of a finished session."""
        return self.cell.checker.content(session.file.key, session.file.version_id)

    def _try_get(self, upload_id: str) -> UploadSession | None:
        try:
            return self.get(upload_id)
        except StrongroomError as error:
            if error.code not in TRANSIENT:
                raise
            return None


def write_messages(
    upload_id: str, offset: int, data: bytes, *, finish: bool = False, chunk: int = CHUNK, **first: Any
) -> Iterator[UploadRequest]:
    """The messages of one write."""
    yield UploadRequest(upload_id=upload_id, write_offset=offset, **first)
    for at in range(0, len(data), chunk):
        piece = data[at : at + chunk]
        yield UploadRequest(write_offset=offset + at, data=piece, crc32c=google_crc32c.value(piece))
    if finish:
        yield UploadRequest(write_offset=offset + len(data), finish_write=True)


def same(stored: bytes | None, body: bytes) -> bool:
    """Compare bytes without printing megabytes if they differ."""
    return stored is not None and hashlib.sha256(stored).digest() == hashlib.sha256(body).digest()
