"""The replaceable places of an owner (`profile`, `path:…`): one live file each, replaced in one step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.blobs.rows import BlobRow
from metadata_service.db.database import Statement, Transaction
from metadata_service.db.timestamps import to_proto
from servicekit.presentation import with_charset
from strongroom.metadata.v1.file_pb2 import File

_LOCK: Final = """
SELECT id, blob_id, generation, size_bytes, created_at FROM files
WHERE owner_id = %s AND slot = %s AND deleted_at IS NULL FOR UPDATE
"""
_REPLACE: Final = """
UPDATE files SET key = %(key)s, blob_id = %(blob_id)s, filename = %(filename)s,
    content_type = %(content_type)s, size_bytes = %(size)s, etag = %(etag)s, generation = %(generation)s,
    version_id = %(version_id)s, crc32c = %(crc32c)s, metadata = %(metadata)s, visibility = %(visibility)s,
    updated_at = now()
WHERE owner_id = %(owner)s AND id = %(file_id)s
"""


@dataclass(frozen=True, slots=True)
class Occupant:
    """The file that holds a slot, its row locked until the transaction ends."""

    file_id: UUID
    blob_id: UUID
    generation: int
    size_bytes: int
    created_at: datetime


async def lock(tx: Transaction, owner_id: str, slot: str | None) -> Occupant | None:
    """The slot's file, locked against deletion and replacement by others; None when there is none."""
    if slot is None:
        return None
    row = await tx.fetch_one(_LOCK, (owner_id, slot))
    return Occupant(*row) if row else None


def take_over(file: File, occupant: Occupant) -> None:
    """The new content keeps the file's id and birthday, and raises its generation."""
    file.id = str(occupant.file_id)
    file.generation = occupant.generation + 1
    file.create_time.CopyFrom(to_proto(occupant.created_at))


def replace(file: File, blob: BlobRow) -> Statement:
    """The file row shows the new content from now on."""
    return _REPLACE, {
        "owner": file.owner_id,
        "file_id": UUID(file.id),
        "key": file.key,
        "blob_id": blob.id,
        "filename": file.filename,
        "content_type": with_charset(file.content_type, file.charset),
        "size": file.size_bytes,
        "etag": file.etag,
        "generation": file.generation,
        "version_id": file.version_id,
        "crc32c": file.crc32c,
        "metadata": Jsonb(dict(file.metadata)),
        "visibility": file.visibility,
    }
