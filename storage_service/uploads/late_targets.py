"""Uploads whose target was a guess and turned out wrong after bytes had gone to S3 (form fields behind a
large file).

    complete the object under its first key → T1 for the right key → copy inside S3 → T4 → give the first
    attempt up

The first attempt stays PENDING all along, so whatever dies, its object is removed.
"""

from __future__ import annotations

from storage_service.attempts.attempt import Attempts
from storage_service.attempts.completion import complete_multipart
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.committed import Committed
from storage_service.uploads.copier import copy_object
from storage_service.uploads.pipeline import StoredBody
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest


class Moved(Exception):
    """Ends the first attempt; ``file`` is what the second one has committed."""

    def __init__(self, file: File) -> None:
        super().__init__(file.id)
        self.file = file


class TargetMover:
    """Moves an upload to its corrected target."""

    def __init__(self, store: ObjectStore, attempts: Attempts) -> None:
        self._store = store
        self._attempts = attempts

    async def move(self, blob: blob_pb2.Blob, stored: StoredBody, corrected: ReserveRequest) -> File:
        """``blob`` holds all parts in ``stored``; ``corrected`` reserves the right key. Raises
        StrongroomError.
        """
        done = await complete_multipart(self._store, blob, stored.parts, stored.size, stored.crc32c)
        corrected.kind = blob_pb2.BLOB_KIND_COPY
        corrected.supersedes_blob_id = blob.id
        outcome = await self._attempts.reserve(corrected)
        if outcome.HasField("replay"):
            return outcome.replay
        ref = ObjectRef(blob.key, done.version_id or None)
        source = Committed(ref, done.etag, stored.size, stored.crc32c)
        return await self._attempts.run(outcome.blob, lambda: copy_object(self._store, source, outcome.blob))
