"""Builds findings from a row and the object that it describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.objectstore.values import ListedUpload, ListedVersion, ObjectInfo, ObjectRef
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import KeyRow

CONTENT_TYPE: Final = "Content-Type"
_OURS: Final = re.compile(
    r"strongroom-[a-z0-9-]+|user_id|original_filename|content_type|upload_timestamp|class_id"
)

Kind: TypeAlias = "pb.FindingKind.ValueType"


def ref_of(row: KeyRow) -> ObjectRef:
    """The object of a committed row."""
    return ObjectRef(row.key, row.version_id or None)


def about_row(kind: Kind, row: KeyRow, *, expected: str = "", found: str = "") -> pb.Finding:
    """A finding about a row."""
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
    """A finding about an object version or delete marker without a row."""
    return pb.Finding(
        kind=kind,
        key=version.key,
        version_id=version.version_id,
        size_bytes=version.size,
        expected=expected,
        found=found,
    )


def about_upload(upload: ListedUpload, parts: int, size: int) -> pb.Finding:
    """A finding about an open multipart upload without an owner."""
    return pb.Finding(
        kind=pb.FINDING_KIND_UPLOAD_ABANDONED,
        key=upload.key,
        upload_id=upload.upload_id,
        size_bytes=size,
        found=f"{parts} {'part' if parts == 1 else 'parts'}, begun {upload.initiated.isoformat()}",
    )


def differences(row: KeyRow, info: ObjectInfo) -> list[pb.Finding]:
    """One finding for each fact in which HEAD of a committed object differs from its row."""
    found = []
    if info.size != row.size_bytes:
        found.append(
            about_row(pb.FINDING_KIND_SIZE_MISMATCH, row, expected=str(row.size_bytes), found=str(info.size))
        )
    if info.crc32c is not None and info.crc32c != row.crc32c:
        found.append(wrong_checksum(row, info.crc32c))
    if info.etag and row.etag and info.etag != row.etag:
        found.append(about_row(pb.FINDING_KIND_ETAG_MISMATCH, row, expected=row.etag, found=info.etag))
    expected, said = _says(row), _carries(info)
    wrong = sorted(name for name in expected.keys() | said.keys() if expected.get(name) != said.get(name))
    if wrong:
        found.append(
            about_row(
                pb.FINDING_KIND_METADATA_MISMATCH,
                row,
                expected=", ".join(f"{name}={expected[name]}" for name in wrong if name in expected),
                found=", ".join(f"{name}={said[name]}" for name in wrong if name in said),
            )
        )
    return found


def ours(metadata: Mapping[str, str]) -> dict[str, str]:
    """The entries of an object's metadata that Strongroom writes."""
    return {name: text for name, text in metadata.items() if _OURS.fullmatch(name)}


def is_whole(row: KeyRow) -> bool:
    """Whether the row's copy of the object's metadata agrees with the row's other columns."""
    said, kind = row.object_metadata, _type(row.content_type).partition(";")[0]
    return (
        said.get(ATTEMPT_KEY) == row.blob_id
        and said.get("user_id", row.owner_id) == row.owner_id
        and _type(said.get("content_type", kind)) == kind
    )


def _says(row: KeyRow) -> dict[str, str]:
    """The metadata that the row expects of its object. The attempt is in it even if the row lost the rest."""
    expected = {ATTEMPT_KEY: row.blob_id, **row.object_metadata, CONTENT_TYPE: _type(row.content_type)}
    return {name: text.strip() for name, text in expected.items()}


def _carries(info: ObjectInfo) -> dict[str, str]:
    """The object's metadata that Strongroom compares (docs/backup.md); other entries are ignored."""
    said = {name: text.strip() for name, text in ours(info.metadata).items()}
    return said | {CONTENT_TYPE: _type(info.content_type)}


def _type(content_type: str) -> str:
    """Normalize a content type: stores write a charset with or without a space, in upper or lower case."""
    return content_type.replace(" ", "").lower()


def wrong_checksum(row: KeyRow, crc32c: int) -> pb.Finding:
    """A finding about an object whose bytes have another CRC-32C than the row."""
    return about_row(
        pb.FINDING_KIND_CHECKSUM_MISMATCH, row, expected=f"{row.crc32c:08x}", found=f"{crc32c:08x}"
    )
