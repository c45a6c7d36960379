"""Sends an attempt's body to S3: one PutObject if it fits a part, else a multipart upload with parallel
parts.

Memory: a writer holds at most ``PARTS_IN_MEMORY`` parts (one being sent while the next one fills, or two
being sent). They are taken from the process-wide byte budget as their bytes arrive. While the budget is spent
the stream is not read, so HTTP/2 flow control slows the client down. The most that a process holds is
therefore

    UPLOAD_MEMORY_BYTES + streams x (MAX_CHUNK + one gRPC message in decoding)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from servicekit import failpoints
from storage_service.attempts.budget import ByteBudget, Claim
from storage_service.attempts.engine import until_known
from storage_service.attempts.interruption import Interruptible
from storage_service.content.assembler import Part, PartAssembler
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk, Doubtful, ObjectAttributes, PutResult
from strongroom.metadata.v1 import blob_pb2
from strongroom.task_groups import first_cause

PARTS_IN_MEMORY = 2


class PartClaims:
    """A writer's claims on the byte budget: at most PARTS_IN_MEMORY, of which one is ``filling``."""

    def __init__(self, budget: ByteBudget, owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self._permits = asyncio.Semaphore(PARTS_IN_MEMORY)
        self._held: list[Claim] = []
        self.reading = Interruptible()
        self.filling: Claim | None = None

    async def begin(self, most: int) -> Claim:
        """Return a claim of up to ``most`` bytes for the part that fills next. Waits for a permit."""
        await self._permits.acquire()
        try:
            claim = self._budget.claim(most, self._owner, self.reading)
        except BaseException:
            self._permits.release()
            raise
        self._held.append(claim)
        self.filling = claim
        return claim

    def hand_over(self) -> Claim | None:
        """Return the claim of the filled part, which now belongs to the task that sends it."""
        claim, self.filling = self.filling, None
        return claim

    def release(self, claim: Claim | None) -> None:
        """Give a claim back. Further calls have no effect."""
        if claim is not None and claim in self._held:
            self._held.remove(claim)
            claim.release()
            self._permits.release()

    def release_filling(self) -> None:
        """Give back the claim of a part that won't be filled."""
        self.release(self.hand_over())

    def release_all(self) -> None:
        """Give back all claims, including those of parts whose tasks were cancelled before they began."""
        self.filling = None
        for claim in list(self._held):
            self.release(claim)


BEFORE_PUT = failpoints.register("storage.put.before")
AFTER_PUT = failpoints.register("storage.put.after")
BEFORE_CREATE = failpoints.register("storage.s1.before")
AFTER_CREATE = failpoints.register("storage.s1.after")
AFTER_PART = failpoints.register("storage.s2.part_applied")
BETWEEN_PARTS = failpoints.register("storage.s2.between_parts")


@dataclass(frozen=True, slots=True)
class StoredBody:
    """What was written to S3: one object (``put``), or the parts of the attempt's multipart upload."""

    size: int
    crc32c: int
    put: PutResult | None
    parts: tuple[blob_pb2.Part, ...]
    created_twice: bool = False
    """Whether a second multipart upload of the key may be open."""


class PartPipeline:
    """Sends the body of one attempt. Call ``send`` once."""

    def __init__(
        self, store: ObjectStore, reservations: Reservations, budget: ByteBudget, blob: blob_pb2.Blob
    ) -> None:
        self._store = store
        self._reservations = reservations
        self._blob = blob
        self._claims = PartClaims(budget, blob.owner_id)
        self._attrs = ObjectAttributes(
            content_type=blob.content_type,
            metadata=dict(blob.object_metadata),
            storage_class=blob.spec.storage_class,
        )
        self._creating = Doubtful()
        self._parts: dict[int, blob_pb2.Part] = {}

    async def send(self, chunks: AsyncIterator[Chunk | Counted], size_hint: int | None) -> StoredBody:
        """Send the whole body. ``size_hint``: its size in bytes, if known.

        Raises Overloaded or DeadlineExceeded if the body arrives too slowly. After an error or a cancellation
        nothing is undone here: the attempt's row says what to remove.
        """
        assembler = PartAssembler(self._blob.part_size_bytes)
        try:
            async with asyncio.TaskGroup() as sending:
                async with self._claims.reading:
                    await self._read(sending, assembler, chunks, size_hint)
                last = assembler.finish()
                if self._claims.filling is not None:
                    self._claims.filling.seal()
                if self._blob.upload_id and last is not None:
                    await self._start_part(sending, last)
            if not self._blob.upload_id:
                return await self._put(last)
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        finally:
            self._claims.release_all()
        parts = tuple(self._parts[number] for number in sorted(self._parts))
        return StoredBody(assembler.size, assembler.crc32c, None, parts, created_twice=self._creating.is_so)

    async def _read(
        self,
        sending: asyncio.TaskGroup,
        assembler: PartAssembler,
        chunks: AsyncIterator[Chunk | Counted],
        size_hint: int | None,
    ) -> None:
        claim = await self._claims.begin(self._most(size_hint))
        async for chunk in chunks:
            await claim.take(min(len(chunk), assembler.part_size - assembler.pending))
            parts = assembler.feed(chunk)
            for number, part in enumerate(parts):
                if number:
                    await claim.take(part.size)
                claim.seal()
                await self._start_part(sending, part)
                rest = size_hint and max(size_hint - part.offset - part.size, 1)
                claim = await self._claims.begin(self._most(rest))
            if parts:
                await claim.take(assembler.pending)

    def _most(self, to_come: int | None) -> int:
        """Return the most bytes that the next part can take."""
        size = self._blob.part_size_bytes
        return size if to_come is None else min(size, to_come)

    async def _put(self, body: Part | None) -> StoredBody:
        await failpoints.hit(BEFORE_PUT)
        size, crc32c, chunks = (body.size, body.crc32c, body.chunks) if body else (0, 0, ())
        put = await self._store.put(self._blob.key, chunks, size=size, crc32c=crc32c, attrs=self._attrs)
        await failpoints.hit(AFTER_PUT)
        return StoredBody(size, crc32c, put, ())

    async def _start_part(self, sending: asyncio.TaskGroup, part: Part) -> None:
        if not self._blob.upload_id:
            await failpoints.hit(BEFORE_CREATE)
            upload_id = await self._store.create(self._blob.key, self._attrs, doubtful=self._creating)
            await failpoints.hit(AFTER_CREATE)
            handle = handle_of(self._blob)
            await until_known(lambda: self._reservations.record_multipart(handle, upload_id))
            self._blob.upload_id = upload_id  # as in its row
        sending.create_task(self._send_part(part, self._claims.hand_over()))

    async def _send_part(self, part: Part, claim: Claim | None) -> None:
        receipt = await self._store.upload_part(
            self._blob.key, self._blob.upload_id, part.number, part.chunks, size=part.size, crc32c=part.crc32c
        )
        await failpoints.hit(AFTER_PART)
        self._parts[part.number] = blob_pb2.Part(
            number=part.number, etag=receipt.etag, size_bytes=part.size, crc32c=part.crc32c
        )
        self._claims.release(claim)
        await failpoints.hit(BETWEEN_PARTS)
