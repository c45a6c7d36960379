"""Findings, put together from the row and the object that they are about."""

from __future__ import annotations

from typing import TypeAlias

from storage_service.objectstore.values import ListedUpload, ListedVersion, ObjectInfo, ObjectRef
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import KeyRow

Kind: TypeAlias = "pb.FindingKind.ValueType"


def ref_of(row: KeyRow) -> ObjectRef:
    """The object of a committed row."""
    return ObjectRef(row.key, row.version_id or None)


def about_row(kind: Kind, row: KeyRow, *, expected: str = "", found: str = "") -> pb.Finding:
    """A finding of a row."""
    return pb.Finding(
        kind=kind,
        owner_id=row.owner_id,
        blob_id=row.blob_id,
        key=row.key,
        version_id=row.version_id,
        size_bytes=row.size_bytes,
        expected=expected,
        found=found,
    )


def about_version(kind: Kind, version: ListedVersion, *, expected: str = "", found: str = "") -> pb.Finding:
    """A finding of an object version, or a delete marker, that belongs to no row."""
    return pb.Finding(
        kind=kind,
        key=version.key,
        version_id=version.version_id,
        size_bytes=version.size,
        expected=expected,
        found=found,
    )


def about_upload(upload: ListedUpload, parts: int, size: int) -> pb.Finding:
    """An open multipart upload that nobody owns."""
    return pb.Finding(
        kind=pb.FINDING_KIND_UPLOAD_ABANDONED,
        key=upload.key,
        upload_id=upload.upload_id,
        size_bytes=size,
        found=f"{parts} {'part' if parts == 1 else 'parts'}, begun {upload.initiated.isoformat()}",
    )


def differences(row: KeyRow, info: ObjectInfo) -> list[pb.Finding]:
    """What HEAD says otherwise than the row of a committed object."""
    found = []
    if info.size != row.size_bytes:
        found.append(
            about_row(pb.FINDING_KIND_SIZE_MISMATCH, row, expected=str(row.size_bytes), found=str(info.size))
        )
    if info.crc32c is not None and info.crc32c != row.crc32c:
        found.append(wrong_checksum(row, info.crc32c))
    if info.etag and row.etag and info.etag != row.etag:
        found.append(about_row(pb.FINDING_KIND_ETAG_MISMATCH, row, expected=row.etag, found=info.etag))
    said = {name: text.strip() for name, text in info.metadata.items()}
    wrong = sorted(name for name, text in row.object_metadata.items() if said.get(name, "") != text.strip())
    if wrong:
        found.append(
            about_row(
                pb.FINDING_KIND_METADATA_MISMATCH,
                row,
                expected=", ".join(f"{name}={row.object_metadata[name]}" for name in wrong),
                found=", ".join(f"{name}={said[name]}" for name in wrong if name in said),
            )
        )
    return found


def wrong_checksum(row: KeyRow, crc32c: int) -> pb.Finding:
    """The bytes are others than those that were committed."""
    return about_row(
        pb.FINDING_KIND_CHECKSUM_MISMATCH, row, expected=f"{row.crc32c:08x}", found=f"{crc32c:08x}"
    )
