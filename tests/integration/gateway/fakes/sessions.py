"""Resumable and direct uploads over a MemoryStore, with the behaviour of docs/resumable.md."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.context import current_principal
from strongroom.errors import (
    ChecksumMismatch,
    InvalidField,
    OffsetOutOfRange,
    SizeLimitExceeded,
    SizeMismatch,
    StrongroomError,
    UploadIncomplete,
    UploadNotFound,
    UploadSuperseded,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.direct_pb2 import (
    CompleteUploadRequest,
    CompleteUploadResponse,
    SignedPart,
    SignUploadRequest,
    SignUploadResponse,
)
from strongroom.storage.v1.upload_pb2 import (
    CancelUploadRequest,
    CancelUploadResponse,
    ConcatenateUploadsRequest,
    ConcatenateUploadsResponse,
    CreateUploadRequest,
    CreateUploadResponse,
    DeclareUploadLengthRequest,
    DeclareUploadLengthResponse,
    GetUploadRequest,
    GetUploadResponse,
    UploadRequest,
    UploadResponse,
    UploadSession,
)
from strongroom.type.v1.checksums_pb2 import Checksums
from tests.integration.gateway.fakes.services import FakeStorage
from tests.integration.gateway.fakes.store import MemoryStore

PART = 8 * 1024 * 1024
LIFE_SECONDS = 86_400


@dataclass
class Session:
    """One upload. ``epoch``: raised by each writer; ``writing``: the newest writer is active."""

    owner: str
    message: UploadSession
    data: bytearray = field(default_factory=bytearray)
    epoch: int = 0
    writing: asyncio.Event | None = None
    superseded: asyncio.Event = field(default_factory=asyncio.Event)
    direct: bool = False

    @property
    def length(self) -> int | None:
        return self.message.size_bytes if self.message.HasField("size_bytes") else None


class FakeSessions(FakeStorage):
    """storage_service with sessions. ``session_errors``: errors to raise, by RPC name."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.sessions: dict[str, Session] = {}
        self.requests: dict[tuple[str, str], str] = {}
        self.session_errors: dict[str, StrongroomError] = {}
        self.gone: dict[str, StrongroomError] = {}
        self.calls: list[str] = []

    async def CreateUpload(self, request: CreateUploadRequest, context: Any) -> CreateUploadResponse:
        self._enter("CreateUpload")
        owner, key = current_principal().subject, request.spec.request_id
        if key and (owner, key) in self.requests:
            return CreateUploadResponse(session=self._find(self.requests[owner, key]).message)
        session = self._open(owner, request.spec, request.annotation, partial=request.partial)
        if key:
            self.requests[owner, key] = session.message.upload_id
        self._finish_if_complete(session)
        return CreateUploadResponse(session=session.message)

    async def GetUpload(self, request: GetUploadRequest, context: Any) -> GetUploadResponse:
        self._enter("GetUpload")
        session = self._find(request.upload_id)
        if request.preempt:
            await self._supersede(session)
        return GetUploadResponse(session=session.message)

    async def DeclareUploadLength(
        self, request: DeclareUploadLengthRequest, context: Any
    ) -> DeclareUploadLengthResponse:
        self._enter("DeclareUploadLength")
        session = self._find(request.upload_id)
        if session.length not in (None, request.size_bytes) or request.size_bytes < len(session.data):
            raise SizeMismatch("The length can't change.", metadata={"expected": str(session.length)})
        self._check_limit(request.size_bytes)
        session.message.size_bytes = request.size_bytes
        self._finish_if_complete(session)
        return DeclareUploadLengthResponse(session=session.message)

    async def CancelUpload(self, request: CancelUploadRequest, context: Any) -> CancelUploadResponse:
        self._enter("CancelUpload")
        session = self._find(request.upload_id)
        await self._supersede(session)
        del self.sessions[request.upload_id]
        self.store.files.pop(session.message.file.id, None)
        return CancelUploadResponse()

    async def ConcatenateUploads(
        self, request: ConcatenateUploadsRequest, context: Any
    ) -> ConcatenateUploadsResponse:
        self._enter("ConcatenateUploads")
        pieces = [self._find(upload_id) for upload_id in request.upload_ids]
        for piece in pieces:
            if not piece.message.partial:
                raise InvalidField("Not a partial upload.", field="upload_ids", rule="partial")
            if not piece.message.finished:
                raise UploadIncomplete("A piece is unfinished.")
        session = self._open(current_principal().subject, request.spec, request.annotation, partial=False)
        for piece in pieces:
            session.data += piece.data
        session.message.size_bytes = len(session.data)
        self._finish_if_complete(session)
        return ConcatenateUploadsResponse(file=session.message.file, session=session.message)

    async def SignUpload(self, request: SignUploadRequest, context: Any) -> SignUploadResponse:
        self._enter("SignUpload")
        if request.WhichOneof("upload") == "spec":
            session = self._open(current_principal().subject, request.spec, b"", partial=False)
            session.direct = True
        else:
            session = self._find(request.upload_id)
        size = session.length or 0
        total = max(1, -(-size // PART))
        first = request.first_part or 1
        parts = [
            SignedPart(
                part_number=number,
                url=f"https://store.test/{session.message.upload_id}?partNumber={number}",
                headers={"x-amz-checksum-crc32c": f"{request.part_crc32c[number]:08x}"}
                if number in request.part_crc32c
                else {},
                offset=(number - 1) * PART,
                size_bytes=min(PART, size - (number - 1) * PART),
            )
            for number in range(first, min(total, first + (request.part_count or 100) - 1) + 1)
        ]
        return SignUploadResponse(
            upload_id=session.message.upload_id,
            part_size_bytes=PART,
            part_total=total,
            parts=parts,
            expire_time=_later(request.expires_in_seconds),
        )

    async def CompleteUpload(self, request: CompleteUploadRequest, context: Any) -> CompleteUploadResponse:
        self._enter("CompleteUpload")
        session = self._find(request.upload_id)
        session.data = bytearray(session.length or 0)
        if len(request.parts) != max(1, -(-len(session.data) // PART)):
            raise UploadIncomplete("S3 does not have all parts.")
        self._finish_if_complete(session)
        return CompleteUploadResponse(file=session.message.file)

    async def _upload(self, requests: AsyncIterator[UploadRequest]) -> UploadResponse:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("first_message") != "upload_id":
            return await super()._upload(_again(first, requests))
        self._enter("Upload")
        session = self._find(first.upload_id)
        await self._supersede(session)
        if first.exact_offset and first.write_offset != len(session.data):
            raise _out_of_range(session)
        if session.message.finished:
            return await self._answer_again(session, first, requests)
        session.epoch += 1
        session.writing, session.superseded = asyncio.Event(), asyncio.Event()
        try:
            return await self._write(session, first, requests)
        finally:
            session.writing.set()

    async def _answer_again(
        self, session: Session, first: UploadRequest, requests: AsyncIterator[UploadRequest]
    ) -> UploadResponse:
        sent = len(first.data) + sum([len(message.data) async for message in requests])
        if first.exact_offset and sent:
            raise SizeMismatch("It is finished.", metadata={"expected": str(len(session.data))})
        if session.message.HasField("file"):
            return UploadResponse(file=session.message.file)
        return UploadResponse(persisted_size=len(session.data), expire_time=session.message.expire_time)

    async def _write(
        self, session: Session, first: UploadRequest, requests: AsyncIterator[UploadRequest]
    ) -> UploadResponse:
        held = bytearray() if first.HasField("write_checksums") else None
        start = first.write_offset
        message: UploadRequest | None = first
        while message is not None:
            self._take(session, message, held, start)
            self.faults.received += len(message.data)
            self.faults.chunks.append(len(message.data))
            if message.data:
                await self.faults.pass_bytes(len(session.data))
            message = await self._next(session, requests)
        if held is not None:
            _verify(first.write_checksums, bytes(held))
            session.data += held[len(session.data) - start :]
        self._finish_if_complete(session)
        session.message.expire_time.CopyFrom(_later(LIFE_SECONDS))
        if session.message.HasField("file"):
            return UploadResponse(file=session.message.file, expire_time=session.message.expire_time)
        return UploadResponse(persisted_size=len(session.data), expire_time=session.message.expire_time)

    def _take(self, session: Session, message: UploadRequest, held: bytearray | None, start: int) -> None:
        have = len(session.data) if held is None else max(start + len(held), 0)
        if message.write_offset > have:
            raise _out_of_range(session)
        fresh = message.data[have - message.write_offset :]
        end = have + len(fresh)
        if session.length is not None and end > session.length:
            raise SizeMismatch("Past the length.", metadata={"expected": str(session.length)})
        self._check_limit(end)
        (session.data if held is None else held).extend(fresh)
        session.message.persisted_size = len(session.data)

    async def _next(self, session: Session, requests: AsyncIterator[UploadRequest]) -> UploadRequest | None:
        """The next message; None at the end. A newer writer ends this one at once."""
        coming = asyncio.ensure_future(anext(requests, None))
        ended = asyncio.ensure_future(session.superseded.wait())
        await asyncio.wait((coming, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if coming.done():
            return coming.result()
        coming.cancel()
        raise UploadSuperseded("A newer writer has taken this upload over.")

    async def _supersede(self, session: Session) -> None:
        if session.writing is not None and not session.writing.is_set():
            session.superseded.set()
            await session.writing.wait()

    def _finish_if_complete(self, session: Session) -> None:
        message = session.message
        message.persisted_size = len(session.data)
        if session.length is None or session.length != len(session.data) or message.finished:
            return
        message.finished = True
        if not message.partial:
            spec = UploadSpec()
            spec.CopyFrom(message.spec)
            spec.request_id = ""
            message.file.CopyFrom(self.store.commit(spec, bytes(session.data)))

    def _open(self, owner: str, spec: UploadSpec, annotation: bytes, *, partial: bool) -> Session:
        if spec.HasField("size_bytes"):
            self._check_limit(spec.size_bytes)
        message = UploadSession(
            upload_id=secrets.token_urlsafe(24),
            spec=spec,
            part_size_bytes=PART,
            expire_time=_later(LIFE_SECONDS),
            create_time=_later(0),
            partial=partial,
            annotation=annotation,
        )
        if spec.HasField("size_bytes"):
            message.size_bytes = spec.size_bytes
        session = self.sessions[message.upload_id] = Session(owner, message)
        return session

    def _find(self, upload_id: str) -> Session:
        if upload_id in self.gone:
            raise self.gone[upload_id]
        session = self.sessions.get(upload_id)
        if session is None or session.owner != current_principal().subject:
            raise UploadNotFound("There is no such upload.")
        file: File = session.message.file
        if session.message.HasField("file") and file.id not in self.store.files:
            raise UploadNotFound("Its file was deleted.")
        return session

    def _check_limit(self, size: int) -> None:
        if size > self.store.limit:
            limit = str(self.store.limit)
            raise SizeLimitExceeded(f"Files take at most {limit} bytes.", metadata={"limit": limit})

    def _enter(self, name: str) -> None:
        self.calls.append(name)
        if name in self.session_errors:
            raise self.session_errors[name]


def _verify(stated: Checksums, data: bytes) -> None:
    sums = {"sha1": hashlib.sha1(data).digest(), "sha256": hashlib.sha256(data).digest()}
    wrong = [name for name, value in sums.items() if getattr(stated, name) not in (b"", value)]
    if stated.HasField("crc32c") and stated.crc32c != google_crc32c.value(data):
        wrong.append("crc32c")
    if wrong:
        raise ChecksumMismatch("The bytes do not match.", metadata={"algorithm": wrong[0]})


def _out_of_range(session: Session) -> OffsetOutOfRange:
    size = str(len(session.data))
    return OffsetOutOfRange(f"The upload's offset is {size}.", metadata={"persisted_size": size})


async def _again(
    first: UploadRequest | None, rest: AsyncIterator[UploadRequest]
) -> AsyncIterator[UploadRequest]:
    if first is not None:
        yield first
    async for message in rest:
        yield message


def _later(seconds: int) -> Timestamp:
    moment = Timestamp()
    moment.GetCurrentTime()
    moment.seconds += seconds
    return moment
