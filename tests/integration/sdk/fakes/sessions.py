"""Upload sessions in memory, based on ``FakeStorage``: the rules of docs/resumable.md for clients."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import google_crc32c
import grpc

from strongroom import errors
from strongroom.metadata.v1 import file_pb2, target_pb2
from strongroom.storage.v1 import storage_service_pb2_grpc, upload_pb2
from tests.integration.sdk.fakes.state import Fault, State
from tests.integration.sdk.fakes.storage import Context, FakeStorage, metadata_of, raise_fault, refuse


@dataclass
class Kept:
    """One session. ``received``: the persisted bytes."""

    owner: str
    spec: target_pb2.UploadSpec
    received: bytearray = field(default_factory=bytearray)
    file: file_pb2.File | None = None

    def view(self, upload_id: str) -> upload_pb2.UploadSession:
        """The response of GetUpload."""
        session = upload_pb2.UploadSession(
            upload_id=upload_id, spec=self.spec, persisted_size=len(self.received),
            size_bytes=self.spec.size_bytes, finished=self.file is not None,
        )  # fmt: skip
        if self.file is not None:
            session.file.CopyFrom(self.file)
        return session


@dataclass
class Sessions:
    """The fake's state and faults. ``write_faults``: one per Upload; ``get_faults``: one per GetUpload.

    ``writes``: the offset of each Upload, and the bytes it sent.
    """

    address: str = ""
    kept: dict[str, Kept] = field(default_factory=dict)
    write_faults: list[Fault | None] = field(default_factory=list)
    get_faults: list[Fault | None] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


class FakeSessions(FakeStorage):
    """CreateUpload, GetUpload, CancelUpload, and Upload with upload_id."""

    def __init__(self, state: State, sessions: Sessions) -> None:
        super().__init__(state)
        self._sessions = sessions

    async def CreateUpload(
        self, request: upload_pb2.CreateUploadRequest, context: Context
    ) -> upload_pb2.CreateUploadResponse:
        try:
            owner = self._begin(context, "CreateUpload", request.spec.user_id)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        upload_id = uuid.uuid4().hex
        kept = self._sessions.kept[upload_id] = Kept(owner, request.spec)
        if not request.spec.size_bytes:
            kept.file = self._state.commit(owner, request.spec, b"")
        return upload_pb2.CreateUploadResponse(session=kept.view(upload_id))

    async def GetUpload(
        self, request: upload_pb2.GetUploadRequest, context: Context
    ) -> upload_pb2.GetUploadResponse:
        self._sessions.calls.append("GetUpload")
        try:
            owner = self._state.owner(metadata_of(context))
            raise_fault(self._state.take(self._sessions.get_faults))
            session = self._find(owner, request.upload_id).view(request.upload_id)
            return upload_pb2.GetUploadResponse(session=session)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    async def CancelUpload(
        self, request: upload_pb2.CancelUploadRequest, context: Context
    ) -> upload_pb2.CancelUploadResponse:
        try:
            self._find(self._begin(context, "CancelUpload", ""), request.upload_id)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        del self._sessions.kept[request.upload_id]
        return upload_pb2.CancelUploadResponse()

    async def _upload(
        self, messages: AsyncIterator[upload_pb2.UploadRequest], context: Context
    ) -> upload_pb2.UploadResponse:
        fault, sent, kept = self._state.take(self._sessions.write_faults), 0, None
        async for message in messages:
            if kept is None:
                kept = self._find(self._state.owner(metadata_of(context)), message.upload_id)
                self._sessions.writes.append((message.write_offset, 0))
            self._take(kept, message)
            sent += len(message.data)
            self._sessions.writes[-1] = (self._sessions.writes[-1][0], sent)
            if fault and not fault.after_commit and sent >= fault.after_bytes:
                raise fault.error or errors.Internal("scripted")
            if message.finish_write:
                kept.file = self._state.commit(kept.owner, kept.spec, bytes(kept.received))
                raise_fault(fault)
                return upload_pb2.UploadResponse(file=kept.file)
        return upload_pb2.UploadResponse(persisted_size=len(kept.received) if kept else 0)

    def _take(self, kept: Kept, message: upload_pb2.UploadRequest) -> None:
        there = len(kept.received)
        if message.write_offset > there:
            raise errors.OffsetOutOfRange("Past what is there.", metadata={"persisted_size": str(there)})
        if message.HasField("crc32c") and google_crc32c.value(message.data) != message.crc32c:
            raise errors.ChecksumMismatch("A chunk is damaged.", metadata={"algorithm": "crc32c"})
        data = message.data[there - message.write_offset :]
        if there + len(data) > kept.spec.size_bytes:
            raise errors.SizeMismatch("Past the length.")
        whole = google_crc32c.value(bytes(kept.received) + data) if message.finish_write else 0
        if message.finish_write and message.object_checksums.crc32c != whole:
            raise errors.ChecksumMismatch("The whole is damaged.", metadata={"algorithm": "crc32c"})
        kept.received += data

    def _find(self, owner: str, upload_id: str) -> Kept:
        kept = self._sessions.kept.get(upload_id)
        if kept is None or kept.owner != owner:
            raise errors.UploadNotFound("There is no such upload.")
        return kept


@contextmanager
def running_sessions(state: State) -> Iterator[Sessions]:
    """StorageService with sessions on a free port, in a loop of its own."""
    loop, sessions = asyncio.new_event_loop(), Sessions()
    thread = threading.Thread(target=loop.run_forever, name="sessions", daemon=True)
    thread.start()

    async def start() -> grpc.aio.Server:
        server = grpc.aio.server()
        storage_service_pb2_grpc.add_StorageServiceServicer_to_server(FakeSessions(state, sessions), server)
        sessions.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield sessions
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
