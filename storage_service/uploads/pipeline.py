"""Sends an attempt's body to S3: one PutObject for what fits a part, else a multipart upload with parts in
parallel.

Memory: an upload holds at most ``PARTS_IN_MEMORY`` parts (one on its way while the next one fills, or two
on their way), taken from the process-wide byte budget as their bytes arrive. While the budget is spent the
stream is not read, so HTTP/2 flow control slows the client. What a process may hold is therefore

    UPLOAD_MEMORY_BYTES + streams x (MAX_CHUNK + one gRPC message in decoding)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from servicekit import failpoints
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.claims import Claim, Interruptible
from storage_service.content.assembler import Part, PartAssembler
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk, Doubtful, ObjectAttributes, PutResult
from strongroom.metadata.v1 import blob_pb2

PARTS_IN_MEMORY = 2

BEFORE_PUT = failpoints.register("storage.put.before")
AFTER_PUT = failpoints.register("storage.put.after")
BEFORE_CREATE = failpoints.register("storage.s1.before")
AFTER_CREATE = failpoints.register("storage.s1.after")
AFTER_PART = failpoints.register("storage.s2.part_applied")
BETWEEN_PARTS = failpoints.register("storage.s2.between_parts")


@dataclass(frozen=True, slots=True)
class StoredBody:
    """What is in S3 now: one object (``put``), or the parts of an open multipart upload."""

    size: int
    crc32c: int
    put: PutResult | None
    upload_id: str
    parts: tuple[blob_pb2.Part, ...]
    created_twice: bool = False
    """A second multipart upload of the key may be open."""


class PartPipeline:
    """One attempt's body on its way. Use ``send`` once."""

    def __init__(
        self, store: ObjectStore, reservations: Reservations, budget: ByteBudget, blob: blob_pb2.Blob
    ) -> None:
        self._store = store
        self._reservations = reservations
        self._blob = blob
        self._reading = Interruptible()
        self._slots = _PartSlots(budget, blob, self._reading)
        self._attrs = ObjectAttributes(content_type=blob.content_type, metadata=dict(blob.object_metadata))
        self._upload_id = ""
        self._creating = Doubtful()
        self._parts: dict[int, blob_pb2.Part] = {}

    async def send(self, chunks: AsyncIterator[Chunk | Counted], size_hint: int | None) -> StoredBody:
        """Send the whole body. ``size_hint``: its size where known.

        Raises Overloaded or DeadlineExceeded for a body that comes too slowly. On any error or cancellation
        nothing is undone here: the attempt's row knows what to remove.
        """
        assembler = PartAssembler(self._blob.part_size_bytes)
        try:
            async with asyncio.TaskGroup() as sending:
                async with self._reading:
                    await self._read(sending, assembler, chunks, size_hint)
                last = assembler.finish()
                self._slots.filling.seal()
                if self._upload_id and last is not None:
                    await self._start_part(sending, last)
            if not self._upload_id:
                return await self._put(last)
        except BaseExceptionGroup as group:
            raise _first_cause(group) from group
        finally:
            self._slots.release_all()
        parts = tuple(self._parts[number] for number in sorted(self._parts))
        return StoredBody(
            assembler.size, assembler.crc32c, None, self._upload_id, parts, created_twice=self._creating.is_so
        )

    async def _read(
        self,
        sending: asyncio.TaskGroup,
        assembler: PartAssembler,
        chunks: AsyncIterator[Chunk | Counted],
        size_hint: int | None,
    ) -> None:
        await self._slots.next(size_hint)
        async for chunk in chunks:
            await self._slots.filling.take(min(len(chunk), assembler.part_size - assembler.pending))
            parts = assembler.feed(chunk)
            for number, part in enumerate(parts):
                if number:
                    await self._slots.filling.take(part.size)
                self._slots.filling.seal()
                await self._start_part(sending, part)
                await self._slots.next(size_hint and max(size_hint - part.offset - part.size, 1))
            if parts:
                await self._slots.filling.take(assembler.pending)

    async def _put(self, body: Part | None) -> StoredBody:
        await failpoints.hit(BEFORE_PUT)
        size, crc32c, chunks = (body.size, body.crc32c, body.chunks) if body else (0, 0, ())
        put = await self._store.put(self._blob.key, chunks, size=size, crc32c=crc32c, attrs=self._attrs)
        await failpoints.hit(AFTER_PUT)
        return StoredBody(size, crc32c, put, "", ())

    async def _start_part(self, sending: asyncio.TaskGroup, part: Part) -> None:
        if not self._upload_id:
            await failpoints.hit(BEFORE_CREATE)
            upload_id = await self._store.create(self._blob.key, self._attrs, doubtful=self._creating)
            await failpoints.hit(AFTER_CREATE)
            await self._reservations.record_multipart(handle_of(self._blob), upload_id)
            self._upload_id = upload_id
        sending.create_task(self._send_part(part))

    async def _send_part(self, part: Part) -> None:
        receipt = await self._store.upload_part(
            self._blob.key, self._upload_id, part.number, part.chunks, size=part.size, crc32c=part.crc32c
        )
        await failpoints.hit(AFTER_PART)
        self._parts[part.number] = blob_pb2.Part(
            number=part.number, etag=receipt.etag, size_bytes=part.size, crc32c=part.crc32c
        )
        self._slots.release_part()
        await failpoints.hit(BETWEEN_PARTS)


class _PartSlots:
    """An upload's claims on the byte budget, at most PARTS_IN_MEMORY at once; the last one is ``filling``."""

    def __init__(self, budget: ByteBudget, blob: blob_pb2.Blob, reading: Interruptible) -> None:
        self._budget = budget
        self._blob = blob
        self._reading = reading
        self._parts = asyncio.Semaphore(PARTS_IN_MEMORY)
        self._held: list[Claim] = []

    @property
    def filling(self) -> Claim:
        """The claim of the part that fills."""
        return self._held[-1]

    async def next(self, size_hint: int | None) -> None:
        """Begin a part; ``size_hint``: bytes that are still to come."""
        await self._parts.acquire()
        size = self._blob.part_size_bytes
        most = size if size_hint is None else min(size, size_hint)
        self._held.append(self._budget.claim(most, self._blob.owner_id, self._reading))

    def release_part(self) -> None:
        self._held.pop(0).release()
        self._parts.release()

    def release_all(self) -> None:
        while self._held:
            self._held.pop().release()


def _first_cause(group: BaseExceptionGroup) -> BaseException:
    """The failure that made a task group end; the others are its echoes."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
