"""Segments: immutable objects that store acknowledged bytes which don't fill a part yet.

They are read back when their part fills or the upload ends. The cleaner removes them only after the upload
has ended, so neither a crash nor a failing store loses acknowledged bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from servicekit import failpoints
from storage_service.attempts.versioning import NULL_VERSION
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import Chunk, ObjectAttributes, ObjectRef
from strongroom.errors import UploadLost
from strongroom.metadata.v1.blob_pb2 import Blob
from strongroom.metadata.v1.upload_session_service_pb2 import Segment

PREFIX = "segments/"
"""The prefix that metadata_service/files/layouts.py assigns: ``segments/{blob id}/``."""

READS = 3
"""How often a segment is read before its bytes count as damaged."""

MOST = 64
"""Segments of one part after which they are merged into one, so that single-byte writes don't pile up."""

log = structlog.get_logger(__name__)

BEFORE_PUT = failpoints.register("storage.session.segment.before_put")
AFTER_PUT = failpoints.register("storage.session.segment.after_put")


async def put_segment(
    store: ObjectStore, blob: Blob, offset: int, chunks: Sequence[Chunk], *, size: int, crc32c: int
) -> Segment:
    """Store a segment and return its description. Raises StoreError.

    The key contains offset, size and epoch, so a segment is never overwritten by another writer's.
    """
    key = f"{PREFIX}{blob.id}/{offset:015d}-{size}-{blob.epoch}"
    await failpoints.hit(BEFORE_PUT)
    await store.put(key, chunks, size=size, crc32c=crc32c, attrs=ObjectAttributes())
    await failpoints.hit(AFTER_PUT)
    return Segment(key=key, offset=offset, size_bytes=size, crc32c=crc32c)


async def read_segments(store: ObjectStore, segments: Sequence[Segment]) -> list[Chunk]:
    """Return the bytes of the segments, in order. Raises ObjectNotFound (the upload is lost), UploadLost,
    StoreError.
    """
    chunks: list[Chunk] = []
    for segment in segments:
        chunks += await _read_segment(store, segment)
    return chunks


async def _read_segment(store: ObjectStore, segment: Segment) -> list[Chunk]:
    """Read a segment up to ``READS`` times, because a wrong checksum may come from the network and not from
    the store.
    """
    for _ in range(READS):
        chunks: list[Chunk] = []
        crc32c, size = 0, 0
        async with store.open(ObjectRef(segment.key)) as body:
            async for chunk in body:
                crc32c, size = checksums.extend(crc32c, chunk), size + len(chunk)
                chunks.append(chunk)
        if (size, crc32c) == (segment.size_bytes, segment.crc32c):
            return chunks
        log.error("segment_corrupt", key=segment.key, size=size, expected=segment.crc32c, actual=crc32c)
    raise UploadLost("the object store damaged what was uploaded; start the upload again")


def size_of(segments: Sequence[Segment]) -> int:
    """Return the sum of the segments' sizes, in bytes."""
    return sum(segment.size_bytes for segment in segments)


def crc32c_of(segments: Sequence[Segment]) -> int:
    """Return the CRC-32C of the concatenated segments."""
    crc32c = 0
    for segment in segments:
        crc32c = checksums.combine(crc32c, segment.crc32c, segment.size_bytes)
    return crc32c


async def remove_segments(store: ObjectStore, prefix: str) -> None:
    """Delete all versions of every object below ``prefix``, and check that they are gone. Raises
    StoreError.
    """
    for _ in range(2):
        refs = [
            version.ref if version.version_id != NULL_VERSION else ObjectRef(version.key)
            async for page in store.list_versions(prefix)
            for version in page
        ]
        if not refs:
            return
        errors = await store.delete_many(refs)
        if errors:
            raise next(iter(errors.values()))
    raise StoreUnavailable("deleted segments are still there", operation="DeleteObjects")
