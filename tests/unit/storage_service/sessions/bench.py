"""The session use cases on an in-memory store that counts requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import google_crc32c

from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import Attempts, WriteEngine
from storage_service.attempts.versioning import VersioningGate
from storage_service.content.body import Limits, SizeRule
from storage_service.content.types import ContentRules
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.values import Chunk, ObjectRef, PartReceipt
from storage_service.reading.committed import CommittedReader
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.scanner import Scanner
from storage_service.sessions.assembly import SessionParts, SessionUseCases
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.upload_pb2 import (
    ConcatenateUploadsRequest,
    ConcatenateUploadsResponse,
    CreateUploadRequest,
    UploadRequest,
    UploadResponse,
)
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports
from tests.unit.storage_service.sessions.state import MemoryState


class CountingStore(MemoryObjectStore):
    """Counts its calls. ``calls``: by operation. ``written``: bytes. ``failing``: how many further calls of
    an operation fail.
    """

    def __init__(self) -> None:
        super().__init__(min_part_size=1)
        self.calls: Counter[str] = Counter()
        self.failing: Counter[str] = Counter()
        self.written = 0

    async def put(self, key: str, chunks: Sequence[Chunk], **more: object):  # type: ignore[no-untyped-def]
        self._count("put", more["size"])
        return await super().put(key, chunks, **more)  # type: ignore[arg-type]

    async def upload_part(
        self, key: str, upload_id: str, number: int, chunks: Sequence[Chunk], *, size: int, crc32c: int
    ) -> PartReceipt:
        self._count("part", size)
        return await super().upload_part(key, upload_id, number, chunks, size=size, crc32c=crc32c)

    async def create(self, *args: object, **more: object) -> str:
        self._count("create", 0)
        return await super().create(*args, **more)  # type: ignore[arg-type]

    async def complete(self, *args: object, **more: object):  # type: ignore[no-untyped-def]
        self._count("complete", 0)
        return await super().complete(*args, **more)  # type: ignore[arg-type]

    def _count(self, operation: str, size: object) -> None:
        self.calls[operation] += 1
        if self.failing[operation]:
            self.failing[operation] -= 1
            raise StoreUnavailable(operation=operation)
        self.written += int(str(size))


class Bench:
    """The engine of one process. ``restart`` has the effect of a crash between two calls."""

    def __init__(self, *, part_size: int, budget: int = 1 << 30) -> None:
        self.store, self.state = CountingStore(), MemoryState()
        self.part_size = part_size
        self._memory = budget
        self.reports = Reports()
        self.restart()

    def restart(self) -> None:
        """Begin a new process on the same state."""
        self.budget = ByteBudget(self._memory)
        limits = Limits({"file": SizeRule("files", 1 << 40)}, min_part_bytes=self.part_size)
        limits.part_size = lambda declared: self.part_size  # type: ignore[method-assign]
        engine = WriteEngine(VersioningGate(self.store), lease_seconds=60.0, wake_cleaner=lambda: None)
        parts = SessionParts(
            store=self.store,
            objects=CommittedReader(self.store, self.reports),
            gate=engine.gate,
            state=self.state,
            reservations=self.state,
            attempts=Attempts(self.state, engine),
            budget=self.budget,
            limits=limits,
            content=ContentRules({}),
            scanner=Scanner(None, ScanMetrics()),
        )
        self.use_cases = SessionUseCases(parts)

    async def create(self, size: int | None = None, *, partial: bool = False, **spec: object) -> str:
        """Call CreateUpload."""
        wanted = UploadSpec(target=UploadTarget(file=FileTarget()), **spec)  # type: ignore[arg-type]
        if size is not None:
            wanted.size_bytes = size
        session = await self.use_cases.sessions.create(CreateUploadRequest(spec=wanted, partial=partial))
        return session.upload_id

    async def write(
        self,
        upload_id: str,
        offset: int,
        data: bytes,
        *,
        chunk: int = 1 << 20,
        finish: bool = False,
        **first: object,
    ) -> UploadResponse:
        """Call Upload."""
        message = UploadRequest(upload_id=upload_id, write_offset=offset, **first)  # type: ignore[arg-type]
        return await self.use_cases.sessions.upload(message, messages_of(offset, data, chunk, finish=finish))

    async def join(self, upload_ids: Sequence[str]) -> ConcatenateUploadsResponse:
        """Call ConcatenateUploads."""
        spec = UploadSpec(target=UploadTarget(file=FileTarget()))
        request = ConcatenateUploadsRequest(spec=spec, upload_ids=upload_ids)
        return await self.use_cases.concatenator.concatenate(request)

    async def object_of(self, file: File) -> bytes:
        """Return the bytes in the store."""
        async with self.store.open(ObjectRef(file.key, file.version_id or None)) as body:
            return b"".join([bytes(piece) async for piece in body])


async def messages_of(offset: int, data: bytes, chunk: int, *, finish: bool) -> AsyncIterator[UploadRequest]:
    for at in range(0, len(data), chunk):
        piece = data[at : at + chunk]
        yield UploadRequest(write_offset=offset + at, data=piece, crc32c=google_crc32c.value(piece))
    if finish:
        yield UploadRequest(write_offset=offset + len(data), finish_write=True)
