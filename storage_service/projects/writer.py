"""Sends a save's files to S3: reserved in batches, written in parallel, reported in batches.

Memory: a file's bytes first get room in the save's own budget, are then taken from the process-wide budget as
they arrive, and are released when S3 has them. Without room the stream is not read, so HTTP/2 flow control
slows the client. All held bytes are being sent by then, so there is no circular wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from servicekit import failpoints
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.interruption import Interruptible
from storage_service.attempts.removal import verify_sole_version
from storage_service.metadata.projects import ProjectSaves
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk, ObjectAttributes, PutResult
from storage_service.projects.runner import OpenSave
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import content_of
from storage_service.scanning.scanner import Scanner
from strongroom.errors import ContentInfected
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_KIND_COPY, BLOB_KIND_SINGLE, Blob
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.task_groups import first_cause

BEFORE_RESERVE = failpoints.register("storage.project.reserve.before")
AFTER_RESERVE = failpoints.register("storage.project.reserve.after")
BEFORE_PUT = failpoints.register("storage.project.put.before")
AFTER_PUT = failpoints.register("storage.project.put.after")
BEFORE_RECORD = failpoints.register("storage.project.record.before")
AFTER_RECORD = failpoints.register("storage.project.record.after")

BATCH_FILES = 200
BATCH_BYTES = 8 << 20
SAVE_MEMORY = 32 << 20
"""Bytes of bodies that one save may hold; or one largest file, if that is more."""
PARALLEL = 8
"""Parallel requests to S3 of one save."""
BATCHES_AT_ONCE = 2
RECORDED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of the new version: its content is ``chunks``, or a copy of ``source``, or with neither it is
    unchanged.
    """

    path: str
    content_type: str
    size: int
    sha256: bytes
    crc32c: int = 0
    chunks: Sequence[Chunk] | None = None
    source: ProjectFile | None = None
    executable: bool | None = None
    """None: as in the newest version."""

    def reservation(self) -> pb.FileReservation:
        """The request for its reservation."""
        return pb.FileReservation(
            path=self.path,
            content_type=self.content_type,
            size_bytes=self.size,
            sha256=self.sha256,
            must_be_unchanged=self.chunks is None and self.source is None,
            executable=self.executable,
        )


@dataclass(slots=True)
class _Batch:
    """Files waiting for their reservation."""

    files: list[NewFile] = field(default_factory=list)
    size: int = 0


class FileWriter:
    """``async with FileWriter(…) as writer``: ``room``, then ``add`` for each file. Leaving waits for S3.

    Afterwards ``rest`` has the entries for CommitSave. Enter and leave in the same task.
    """

    def __init__(
        self,
        store: ObjectStore,
        objects: CommittedReader,
        saves: ProjectSaves,
        save: OpenSave,
        shared: ByteBudget,
        *,
        largest: int,
        scanner: Scanner,
    ) -> None:
        self._scanner = scanner
        self._store = store
        self._objects = objects
        self._saves = saves
        self._save = save
        self._shared = shared
        self._own = ByteBudget(max(SAVE_MEMORY, largest))
        self._own_held = self._held = 0
        self._batch = _Batch()
        self._tasks = asyncio.TaskGroup()
        self._batches = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._permits = asyncio.Semaphore(PARALLEL)
        self._written: list[pb.ManifestEntry] = []
        self.count = self.stored = 0
        """Files of the version, and those that are sent to S3."""

    @property
    def rest(self) -> list[pb.ManifestEntry]:
        """Written files that metadata_service does not know yet."""
        return self._written

    async def room(self, size: int) -> None:
        """Reserve memory for a body of ``size`` bytes before ``add``."""
        await self._own_room(size)
        if not self._shared.try_acquire(size):
            await self._flush()
            await self._shared.acquire(size)
        self._held += size

    @asynccontextmanager
    async def arriving(self, size: int) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """Wrap the arrival of a client's body of ``size`` bytes before ``add``.

        Yields a function that waits for memory for more bytes. Raises Overloaded, DeadlineExceeded: the body
        arrives too slowly.
        """
        await self._own_room(size)
        reading = Interruptible()
        claim = self._shared.claim(size, self._save.owner_id, reading)

        async def take(more: int) -> None:
            if self._shared.waiting:
                await self._flush()  # sending what we have releases memory
            await claim.take(more)

        try:
            async with reading:
                yield take
            self._held += claim.detach()
        finally:
            claim.release()

    async def _own_room(self, size: int) -> None:
        if not self._own.try_acquire(size):
            await self._flush()
            await self._own.acquire(size)
        self._own_held += size

    async def add(self, file: NewFile) -> None:
        """Add a file; its bytes are held from ``room`` on. Raises errors of earlier files."""
        self.count += 1
        self._batch.files.append(file)
        self._batch.size += file.size if file.chunks is not None else 0
        if len(self._batch.files) >= BATCH_FILES or self._batch.size >= BATCH_BYTES:
            await self._flush()

    async def keep(self, part: pb.KeptFiles, count: int) -> None:
        """Keep ``count`` files of the newest version."""
        self.count += count
        await failpoints.hit(BEFORE_RESERVE)
        await self._saves.keep(self._save.owner_id, self._save.save_id, part)
        await failpoints.hit(AFTER_RESERVE)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                error = await self._last_flush()
                kind, trace = type(error) if error else None, error.__traceback__ if error else None
            await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        finally:
            self._own.release(self._own_held)
            self._shared.release(self._held)
            self._own_held = self._held = 0

    async def _last_flush(self) -> BaseException | None:
        try:
            await self._flush()
        except BaseException as error:  # noqa: BLE001 - the task group decides what to do with it
            return error
        return None

    async def _flush(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if batch.files:
            await self._batches.acquire()
            await asyncio.sleep(0)  # if a task has failed, the group cancels us here
            self._tasks.create_task(self._send(batch.files))

    async def _send(self, files: list[NewFile]) -> None:
        try:
            kind = BLOB_KIND_COPY if files[0].source is not None else BLOB_KIND_SINGLE
            await failpoints.hit(BEFORE_RESERVE)
            save, wanted = self._save, [file.reservation() for file in files]
            blobs = await self._saves.reserve(save.owner_id, save.save_id, wanted, kind, save.storage_class)
            await failpoints.hit(AFTER_RESERVE)
        finally:
            self._batches.release()
        self.stored += sum(bool(blob.id) for blob in blobs)
        pairs = deque(zip(files, blobs, strict=True))
        files.clear()  # from here on only its task keeps a file in memory
        async with asyncio.TaskGroup() as writing:
            while pairs:
                file, blob = pairs.popleft()
                if blob.id:
                    await self._permits.acquire()
                    await asyncio.sleep(0)
                    writing.create_task(self._write(file, blob))
                else:
                    self._release(file)
                del file

    async def _write(self, file: NewFile, blob: Blob) -> None:
        try:
            put, scan = await self._make_object(file, blob)
            self._release(file)
            done = await verify_sole_version(self._store, blob, put, file.size, file.crc32c)
        finally:
            self._permits.release()
        self._written.append(
            pb.ManifestEntry(
                blob_id=blob.id,
                epoch=blob.epoch,
                file=ProjectFile(
                    version_id=done.version_id,
                    size_bytes=file.size,
                    crc32c=file.crc32c,
                    etag=done.etag,
                    scan=scan,
                ),
                doubtful=done.doubtful,
            )
        )
        if len(self._written) >= RECORDED_AT_ONCE:
            await self._record()

    async def _make_object(self, file: NewFile, blob: Blob) -> tuple[PutResult, Scan | None]:
        """The stored object and its scan; a copy has the scan of its source."""
        scan: Scan | None = None
        attrs = ObjectAttributes(
            content_type=blob.content_type,
            metadata=dict(blob.object_metadata),
            storage_class=blob.spec.storage_class,
        )
        await failpoints.hit(BEFORE_PUT)
        if file.source is not None:
            source = content_of(file.source)
            async with self._objects.expecting(source):
                put = await self._store.copy(
                    source.ref, blob.key, attrs, size=file.size, if_match=source.etag
                )
            scan = file.source.scan if file.source.HasField("scan") else None
        else:
            chunks = file.chunks or ()
            putting = self._store.put(blob.key, chunks, size=file.size, crc32c=file.crc32c, attrs=attrs)
            if self._scanner.wants_projects:
                put, scan = await _beside(putting, self._scan(file.path, chunks))
            else:
                put = await putting
        await failpoints.hit(AFTER_PUT)
        return put, scan

    async def _scan(self, path: str, chunks: Sequence[Chunk]) -> Scan:
        """Raises ContentInfected with the file's name, ScannerUnavailable, SizeLimitExceeded."""
        try:
            return await self._scanner.whole(chunks)
        except ContentInfected as error:
            if self._scanner.refusals is not None:
                self._scanner.refusals.of_project_file(self._save.owner_id, path, error)
            signature = error.metadata["signature"]
            raise ContentInfected(
                f"The scanner for malware has found {signature} in {path}; nothing of this save is stored.",
                metadata={"signature": signature, "path": path},
            ) from error

    async def _record(self) -> None:
        entries, self._written = self._written, []
        await failpoints.hit(BEFORE_RECORD)
        await self._saves.record(self._save.owner_id, self._save.save_id, entries)
        await failpoints.hit(AFTER_RECORD)

    def _release(self, file: NewFile) -> None:
        if file.chunks is None:
            return
        self._held -= file.size
        self._own_held -= file.size
        self._own.release(file.size)
        self._shared.release(file.size)


async def _beside(
    putting: Coroutine[Any, Any, PutResult], scanning: Coroutine[Any, Any, Scan]
) -> tuple[PutResult, Scan]:
    """Run both; the first failure cancels the other."""
    try:
        async with asyncio.TaskGroup() as group:
            put, scan = group.create_task(putting), group.create_task(scanning)
    except BaseExceptionGroup as failed:
        raise first_cause(failed) from failed
    return put.result(), scan.result()
