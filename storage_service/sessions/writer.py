"""Writes a session's bytes: cuts them at the part boundaries, sends parts in parallel, records the prefix.

    write(chunk)…   send parts as they fill (the first one preceded by the bytes of earlier segments)
    flush()         store the rest as a segment and record it
    take_rest()     instead of flush when the upload is finished: return the rest, after earlier segments

Bytes are accepted by S3, then committed by metadata_service (``record``), then acknowledged. After a failure
the prefix before it counts, and the bytes after it are dropped. Memory: like PartPipeline.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from servicekit import failpoints
from storage_service.attempts.budget import ByteBudget, Claim
from storage_service.attempts.interruption import Interruptible
from storage_service.attempts.pipeline import PartClaims
from storage_service.attempts.segments import MOST, crc32c_of, put_segment, read_segments, size_of
from storage_service.content.assembler import Part, PartAssembler
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import StoreError, UploadNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk, ObjectAttributes
from storage_service.sessions.content import Content
from storage_service.sessions.kept import Kept, Tail
from storage_service.sessions.progress import Progress
from strongroom.errors import Internal
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.upload_session_service_pb2 import Segment, Session

log = structlog.get_logger(__name__)

AFTER_CREATE = failpoints.register("storage.session.after_create")
AFTER_PART = failpoints.register("storage.session.part_applied")

RECORD_SECONDS = 0.5
"""Parts accepted within this time of the last recording are recorded together; on slow lines, one by one."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The bytes after the last full part: the last part, or the whole of a small object."""

    number: int
    size: int
    crc32c: int
    chunks: Sequence[Chunk]
    fresh_size: int
    fresh_crc32c: int


class SessionWriter:
    """One writer of one session, at the epoch of ``session``. ``close`` has to be called at the end in any
    case.
    """

    def __init__(
        self,
        store: ObjectStore,
        state: SessionState,
        budget: ByteBudget,
        content: Content,
        session: Session,
        *,
        kept: Kept | None = None,
    ) -> None:
        self._store = store
        self._content = content
        self.session = session
        self.blob = session.blob
        self.progress = Progress(state, session, kept.continuation() if kept is not None else None)
        self._before = list(session.segments)  # of the part in progress
        self._tail = kept.tail if kept is not None else Tail()  # bytes of ``_before`` that are in memory
        self._claims = PartClaims(budget, session.blob.owner_id)
        self._unfed: Chunk = b""
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._hurry = asyncio.Event()
        self._under_way: Sequence[Chunk] = ()
        self._begun = asyncio.Event()
        if self.blob.upload_id:
            self._begun.set()
        self._assembler = self._first_assembler()

    @property
    def reading(self) -> Interruptible:
        """To be entered while a client's bytes are read, so that the budget can interrupt it."""
        return self._claims.reading

    @property
    def received(self) -> int:
        """Number of bytes of the object that have arrived, persisted or not."""
        return self._assembler.size

    @property
    def crc32c(self) -> int:
        """CRC-32C of the bytes received."""
        return self._assembler.crc32c

    @property
    def under_way(self) -> Sequence[Chunk]:
        """After ``flush``: the persisted bytes of the part in progress if all of them are in memory, else
        empty.
        """
        return self._under_way

    async def write(self, chunk: Chunk) -> None:
        """Write the bytes at ``received``. Waits for memory.

        Raises StoreError, StrongroomError, also for parts sent by earlier calls.
        """
        self._unfed = chunk
        await self._feed()

    async def flush(self) -> None:
        """Persist all received bytes. Raises as ``write``; then the prefix before the failure is
        persisted.
        """
        self.progress.deferred = False
        await self._feed()
        await self.settle()
        rest = self._assembler.finish()
        if rest is not None:
            await self._keep(rest)
        await self.progress.confirm()

    async def settle(self) -> None:
        """Wait for parts being sent, and record them. Raises as ``write``."""
        await self._sent()
        if self._failure is not None:
            raise self._failure
        await self.progress.record()

    async def take_rest(self) -> Rest:
        """Settle, and return the bytes that no part has taken. Raises StoreError."""
        await self._feed()
        await self.settle()
        number = self._assembler.next_number
        fresh = self._assembler.finish()
        size, crc32c = (fresh.size, fresh.crc32c) if fresh else (0, 0)
        before = size_of(self._before)
        if before and not self._tail.size:
            claim = self._claims.filling or await self._claims.begin(before + size)
            await claim.take(before)
        chunks = await self._read(self._before, self._tail)
        whole = checksums.combine(crc32c_of(self._before), crc32c, size)
        return Rest(number, before + size, whole, [*chunks, *(fresh.chunks if fresh else ())], size, crc32c)

    async def send_rest(self, rest: Rest) -> None:
        """Send ``rest`` as the last part; the next ``progress.record`` records it. Raises StoreError."""
        await self._send(rest)

    async def close(self) -> None:
        """Wait for parts being sent, drop bytes that were not persisted, and release the memory."""
        await self._sent()
        self._claims.release_filling()
        self._tail.give_back()

    async def _sent(self) -> None:
        """Wait until all parts have been sent and recorded, or have failed."""
        self._hurry.set()
        while self._sending:
            await asyncio.wait(self._sending)
        self._hurry.clear()

    def _first_assembler(self) -> PartAssembler:
        """Return the assembler for the bytes that the part in progress still lacks."""
        full = sum(part.size_bytes for part in self.progress.parts)
        before = size_of(self._before)
        if full + before != self.progress.persisted:
            raise Internal("the recorded parts and segments are not the recorded prefix")
        return PartAssembler(
            max(self.blob.part_size_bytes - before, 1),
            number=len(self.progress.parts) + 1,
            size=self.progress.persisted,
            crc32c=self.progress.crc32c,
        )

    def _most_memory(self) -> int:
        """Return the memory for the part in progress: that of a whole part, or of the bytes that the upload
        still lacks.
        """
        size = self.blob.part_size_bytes
        if self.session.HasField("size_bytes"):
            size = min(size, size_of(self._before) + max(self.session.size_bytes - self.received, 0))
        return max(size, 1)

    async def _feed(self) -> None:
        """Cut ``_unfed`` into parts. After a cancellation it contains what has not been taken."""
        while len(self._unfed):
            if self._failure is not None:
                raise self._failure
            claim = self._claims.filling or await self._claims.begin(self._most_memory())
            room = self._assembler.part_size - self._assembler.pending
            await claim.take(min(len(self._unfed), room))
            if self._failure is not None:
                raise self._failure
            if len(self._unfed) > room:
                self._unfed = memoryview(self._unfed)
            piece, self._unfed = self._unfed[:room], self._unfed[room:]
            for part in self._assembler.feed(piece):
                self._start_part(part)

    def _start_part(self, fresh: Part) -> None:
        before, self._before = self._before, []
        tail, self._tail = self._tail, Tail()
        self._assembler = PartAssembler(
            self.blob.part_size_bytes,
            number=fresh.number + 1,
            size=self._assembler.size,
            crc32c=self._assembler.crc32c,
        )
        part = self._send_part(fresh, before, tail, self._claims.hand_over())
        sending = asyncio.create_task(self._record_part(part))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send_part(
        self, fresh: Part, before: Sequence[Segment], tail: Tail, claim: Claim | None
    ) -> None:
        try:
            if claim is not None:
                await claim.take(size_of(before) - tail.size)
                claim.seal()
            chunks = [*await self._read(before, tail), *fresh.chunks]
            crc32c = checksums.combine(crc32c_of(before), fresh.crc32c, fresh.size)
            size = size_of(before) + fresh.size
            await self._send(Rest(fresh.number, size, crc32c, chunks, fresh.size, fresh.crc32c))
        finally:
            self._claims.release(claim)
            tail.give_back()

    async def _read(self, segments: Sequence[Segment], tail: Tail) -> Sequence[Chunk]:
        """Return the segments' bytes from memory or from the store. Raises as read_segments."""
        return tail.chunks if tail.size else await read_segments(self._store, segments)

    async def _record_part(self, sending: Coroutine[Any, Any, None]) -> None:
        """Run ``sending``, which releases its memory at the end, and record the part or the failure."""
        try:
            await sending
            if (pause := self.progress.recorded_at + RECORD_SECONDS - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._hurry.wait()
            await self.progress.record()
        except BaseException as error:
            self._failure = self._failure or await self._explained(error)
            self._begun.set()
            if not isinstance(error, Exception):
                raise

    async def _explained(self, error: BaseException) -> BaseException:
        """Return UploadNotFound instead of another error if the store no longer has the upload.

        A store may close the connection instead of saying so. Never raises an Exception: otherwise the
        failure would be forgotten, and later bytes would count as if there were no gap.
        """
        if not isinstance(error, StoreError) or isinstance(error, UploadNotFound) or not self.blob.upload_id:
            return error
        try:
            await self._store.list_parts(self.blob.key, self.blob.upload_id)
        except UploadNotFound as gone:
            return gone
        except Exception as unasked:  # noqa: BLE001 - the first error says more
            log.info("upload_not_asked_for", error=type(unasked).__name__)
        return error

    async def _send(self, whole: Rest) -> None:
        """Send one part to S3; before the first one, begin the multipart upload."""
        if not self.blob.upload_id:
            if whole.number == 1:
                await self.begin(whole.chunks)
            await self._begun.wait()
            if not self.blob.upload_id:
                return  # the first part has failed, and its error is raised
        receipt = await self._store.upload_part(
            self.blob.key,
            self.blob.upload_id,
            whole.number,
            whole.chunks,
            size=whole.size,
            crc32c=whole.crc32c,
        )
        await failpoints.hit(AFTER_PART)
        part = blob_pb2.Part(
            number=whole.number, etag=receipt.etag, size_bytes=whole.size, crc32c=whole.crc32c
        )
        self.progress.accept(part, whole.fresh_size, whole.fresh_crc32c)

    async def begin(self, chunks: Sequence[Chunk]) -> None:
        """Begin the multipart upload. ``chunks`` contain the object's first bytes.

        Raises StoreError, ContentType*, PictureRefused.
        """
        content_type = self._content.decide(self.session, chunks)
        attrs = ObjectAttributes(
            content_type=content_type,
            metadata=dict(self.blob.object_metadata),
            storage_class=self.blob.spec.storage_class,
        )
        upload_id = await self._store.create(self.blob.key, attrs)
        await failpoints.hit(AFTER_CREATE)
        await self.progress.record(multipart=upload_id, content_type=content_type)
        self.blob.upload_id = upload_id
        self.blob.content_type = content_type
        self._begun.set()

    async def _keep(self, rest: Part) -> None:
        """Store the bytes that don't fill a part as a segment."""
        chunks, size, crc32c, offset = rest.chunks, rest.size, rest.crc32c, rest.offset
        merge = len(self._before) + 1 >= MOST
        at_hand = (*self._tail.chunks, *chunks) if self._tail.size or not self._before else ()
        if merge:
            if self._claims.filling is not None:
                await self._claims.filling.take(size_of(self._before) - self._tail.size)
            chunks = (*await self._read(self._before, self._tail), *chunks)
            offset -= size_of(self._before)
            crc32c = checksums.combine(crc32c_of(self._before), crc32c, size)
            size += size_of(self._before)
        segment = await put_segment(self._store, self.blob, offset, chunks, size=size, crc32c=crc32c)
        await self.progress.record(segment=segment, fresh_crc32c=rest.crc32c, replaces=merge)
        self._under_way = at_hand
