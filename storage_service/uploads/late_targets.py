"""Uploads whose target was a guess and turned out wrong after bytes had gone to S3 (form fields behind a
large file).

    complete the object under its first key → T1 for the right key → copy inside S3 → T4 → give the first
    attempt up

The first attempt stays PENDING all along, so whatever dies, its object is removed.
"""

from __future__ import annotations

from storage_service.attempts.attempt import Attempts
from storage_service.attempts.completion import complete_multipart
from storage_service.attempts.pipeline import StoredBody
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.committed import Committed
from storage_service.uploads.copier import copy_object
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest


class TargetMover:
    """Moves an upload to its corrected target."""

    def __init__(self, store: ObjectStore, attempts: Attempts) -> None:
        self._store = store
        self._attempts = attempts

    async def move(self, blob: blob_pb2.Blob, stored: StoredBody, corrected: ReserveRequest) -> File:
        """``blob`` holds all parts in ``stored``; ``corrected`` reserves the right key. What is left to do
        with ``blob`` is to give it up. Raises StoreError, StrongroomError.
        """
        done = await complete_multipart(self._store, blob, stored.parts, stored.size, stored.crc32c)
        corrected.kind = blob_pb2.BLOB_KIND_COPY
        corrected.supersedes_blob_id = blob.id
        outcome = await self._attempts.reserve(corrected)
        if outcome.HasField("replay"):
            return outcome.replay
        ref = ObjectRef(blob.key, done.version_id or None)
        source = Committed(ref, done.etag, stored.size, stored.crc32c)
        async with self._attempts.hold(outcome.blob):
            copied = await copy_object(self._store, source, outcome.blob)
        return await self._attempts.commit(outcome.blob, copied)
