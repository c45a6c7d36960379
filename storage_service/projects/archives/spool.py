"""Stores a body that has to be read more than once as a temporary S3 object, which never becomes a file.

It is an ordinary attempt (a PENDING blob below ``temp/``, renewed while it is used) that nobody commits. When
its reader finishes or dies, the attempt is given up, and the cleaner removes the object as for any dead
attempt. So nothing is held in memory or on disk, and nothing is left behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit import failpoints
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import Attempts
from storage_service.attempts.pipeline import PartPipeline
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, PartReceipt
from strongroom.errors import ObjectLost
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec

AFTER_SPOOLED = failpoints.register("storage.project.spool.after")


class SpooledBody:
    """A body stored in S3. Implements RangeReader."""

    def __init__(self, store: ObjectStore, ref: ObjectRef, size: int) -> None:
        self._store = store
        self._ref = ref
        self.size = size

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, which must exist. Raises StoreError, ObjectLost."""
        if not length:
            return b""
        async with self._store.open(self._ref, offset=offset, length=length) as stream:
            body = b"".join([chunk async for chunk in stream])
        if len(body) != length:
            raise ObjectLost("the object store has lost a part of the archive; send it again")
        return body


class Spool:
    """Stores bodies; one instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        reservations: Reservations,
        attempts: Attempts,
        *,
        budget: ByteBudget,
        part_size: int,
    ) -> None:
        self._store = store
        self._reservations = reservations
        self._attempts = attempts
        self._budget = budget
        self._part_size = part_size

    @asynccontextmanager
    async def keep(
        self, chunks: AsyncIterator[bytes], content_type: str, user_id: str
    ) -> AsyncIterator[SpooledBody]:
        """``async with spool.keep(…) as body``: all of ``chunks``, readable inside. Raises what ``chunks``
        raises.
        """
        spec = UploadSpec(content_type=content_type, user_id=user_id)
        spec.target.temp.SetInParent()
        outcome = await self._attempts.reserve(
            ReserveRequest(spec=spec, kind=blob_pb2.BLOB_KIND_SINGLE, part_size_bytes=self._part_size)
        )
        blob = outcome.blob
        try:
            async with self._attempts.lease(blob):
                body = await self._store_body(blob, chunks)
                await failpoints.hit(AFTER_SPOOLED)
                yield body
        finally:
            self._attempts.give_up(blob)

    async def _store_body(self, blob: blob_pb2.Blob, chunks: AsyncIterator[bytes]) -> SpooledBody:
        pipeline = PartPipeline(self._store, self._reservations, self._budget, blob)
        stored = await pipeline.send(chunks, None)
        version_id = stored.put.version_id if stored.put else None
        if stored.put is None:
            receipts = [PartReceipt(p.number, p.etag, p.size_bytes, p.crc32c) for p in stored.parts]
            done = await self._store.complete(blob.key, blob.upload_id, receipts, crc32c=stored.crc32c)
            version_id = done.version_id
        return SpooledBody(self._store, ObjectRef(blob.key, version_id), stored.size)
