"""Rows of `blobs` in Python, and as the protobuf that storage_service gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from metadata_service.db.timestamps import to_proto
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle
from strongroom.metadata.v1.target_pb2 import UploadSpec

#: The columns of BlobRow, in its order. They are qualified with `blobs`, so a statement must not alias the
#: table.
COLUMNS: Final = """
blobs.owner_id, blobs.id, blobs.state, blobs.epoch, blobs.kind, blobs.key, blobs.version_id, blobs.upload_id,
blobs.part_size, blobs.size_bytes, blobs.crc32c, blobs.etag, blobs.parts, blobs.content_type, blobs.spec,
blobs.object_metadata, blobs.request_id, blobs.reserved_bytes, blobs.reserved_files, blobs.lease_expires_at,
blobs.file_id, blobs.file_generation, blobs.created_at
"""


@dataclass(frozen=True, slots=True)
class Handle:
    """An attempt and the epoch at which its caller holds it."""

    owner_id: str
    blob_id: UUID
    epoch: int

    @classmethod
    def of(cls, given: BlobHandle) -> Handle:
        """Convert the protobuf."""
        return cls(given.owner_id, UUID(given.blob_id), given.epoch)

    def params(self, **more: object) -> dict[str, object]:
        """Named parameters for the statements on `blobs`."""
        return {"owner": self.owner_id, "id": self.blob_id, "epoch": self.epoch, **more}


class BlobRow(NamedTuple):
    """One row, in the order of COLUMNS.

    `size_bytes` and `crc32c` are None until COMPLETING. Only claims set `traceparent` and `hide_only` (see
    `claims.CLAIM_DUE`).
    """

    owner_id: str
    id: UUID
    state: int
    epoch: int
    kind: int
    key: str
    version_id: str
    upload_id: str
    part_size: int
    size_bytes: int | None
    crc32c: int | None
    etag: str
    parts: bytes
    content_type: str
    spec: bytes
    object_metadata: dict[str, str]
    request_id: str
    reserved_bytes: int
    reserved_files: int
    lease_expires_at: datetime | None
    file_id: UUID | None
    file_generation: int | None
    created_at: datetime
    traceparent: str | None = None
    hide_only: bool = False

    def upload_spec(self) -> UploadSpec:
        """The parsed spec: what the attempt stores."""
        return UploadSpec.FromString(self.spec)

    def to_proto(self) -> blob_pb2.Blob:
        """The protobuf for storage_service and its cleaner."""
        blob = blob_pb2.Blob(
            id=str(self.id),
            owner_id=self.owner_id,
            state=blob_pb2.BlobState.ValueType(self.state),
            epoch=self.epoch,
            kind=blob_pb2.BlobKind.ValueType(self.kind),
            key=self.key,
            version_id=self.version_id,
            upload_id=self.upload_id,
            part_size_bytes=self.part_size,
            size_bytes=self.size_bytes or 0,
            crc32c=self.crc32c or 0,
            etag=self.etag,
            content_type=self.content_type,
            spec=self.upload_spec(),
            create_time=to_proto(self.created_at),
            object_metadata=self.object_metadata,
            hide_only=self.hide_only,
            traceparent=self.traceparent or "",
        )
        if self.lease_expires_at is not None:
            blob.lease_expire_time.CopyFrom(to_proto(self.lease_expires_at))
        blob.MergeFromString(self.parts)
        return blob


def pack_parts(parts: list[blob_pb2.Part]) -> bytes:
    """The value of the column `parts`: a Blob with only its parts, so that reading is one merge."""
    return blob_pb2.Blob(parts=parts).SerializeToString()
