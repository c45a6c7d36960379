"""One object version: how it is told to metadata_service, and its checksum."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.attempts.versioning import told_version
from storage_service.objectstore import checksums
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectInfo, ObjectRef
from strongroom.metadata.v1.restoration_pb2 import StoredObject


def stored_object(info: ObjectInfo, crc32c: int = 0) -> StoredObject:
    """What HEAD has said; ``crc32c`` where it is needed."""
    moment = Timestamp()
    moment.FromDatetime(info.last_modified)
    return StoredObject(
        key=info.key,
        version_id=told_version(info.version_id or ""),
        etag=info.etag,
        size_bytes=info.size,
        crc32c=crc32c,
        content_type=info.content_type,
        object_metadata=dict(info.metadata),
        store_time=moment,
    )


async def checksum_of(store: ObjectStore, ref: ObjectRef, info: ObjectInfo) -> int:
    """CRC-32C of the whole: the store's, or of its bytes, read now. Raises ObjectNotFound, StoreError."""
    if info.crc32c is not None:
        return info.crc32c
    crc32c = 0
    async with store.open(ref, if_match=info.etag) as stream:
        async for piece in stream:
            crc32c = checksums.extend(crc32c, piece)
    return crc32c
