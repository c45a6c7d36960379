"""Describes an object version to metadata_service."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.attempts.versioning import told_version
from storage_service.objectstore.values import ObjectInfo
from strongroom.metadata.v1.restoration_pb2 import StoredObject


def stored_object(info: ObjectInfo, crc32c: int = 0) -> StoredObject:
    """The description of an object from its HEAD, with ``crc32c`` if it is needed."""
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
