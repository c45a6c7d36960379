"""The file that a committed blob becomes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.blobs.rows import BlobRow
from metadata_service.db.database import Statement, Transaction
from metadata_service.db.timestamps import to_proto
from metadata_service.files.families import Placed, file_metadata, with_details
from metadata_service.files.rows import COLUMNS, to_file
from servicekit.presentation import split_charset, with_charset
from strongroom.metadata.v1.file_pb2 import File

_INSERT: Final = """
INSERT INTO files (owner_id, id, family, key, slot, blob_id, filename, content_type, size_bytes, etag,
    generation, version_id, crc32c, metadata, visibility, expires_at)
VALUES (%(owner)s, %(file_id)s, %(family)s, %(key)s, %(slot)s, %(blob_id)s, %(filename)s,
    %(content_type)s, %(size)s, %(etag)s, 1, %(version_id)s, %(crc32c)s, %(metadata)s, %(visibility)s,
    %(expires_at)s)
"""
_READ: Final = f"SELECT {COLUMNS}, files.blob_id FROM files WHERE owner_id = %s AND id = %s"
_STORED_REPLY: Final = """
SELECT reply FROM idempotency_keys
WHERE owner_id = %s AND request_id = %s AND blob_id = %s AND reply IS NOT NULL
"""


def build_file(blob: BlobRow, placed: Placed, at: datetime, file_id: UUID) -> File:
    """A new file, generation 1, committed at `at`. `blob` is the row after its commit."""
    spec = placed.spec
    kind, charset = split_charset(spec.content_type)
    file = File(
        id=str(file_id),
        owner_id=blob.owner_id,
        family=placed.family,
        key=blob.key,
        filename=spec.filename,
        content_type=kind,
        charset=charset,
        size_bytes=blob.size_bytes or 0,
        etag=blob.etag,
        generation=1,
        version_id=blob.version_id,
        crc32c=blob.crc32c or 0,
        metadata=file_metadata(spec, blob.object_metadata),
        visibility=spec.visibility,
        create_time=to_proto(at),
        update_time=to_proto(at),
    )
    expires = _expires(placed, at)
    if expires is not None:
        file.expire_time.CopyFrom(to_proto(expires))
    return with_details(file, spec.target)


def insert_file(file: File, blob: BlobRow, placed: Placed, at: datetime) -> Statement:
    """The statement that makes it visible; created and updated at `at`, the transaction's now()."""
    return _INSERT, {
        "owner": file.owner_id,
        "file_id": UUID(file.id),
        "family": file.family,
        "key": file.key,
        "slot": placed.slot,
        "blob_id": blob.id,
        "filename": file.filename,
        "content_type": with_charset(file.content_type, file.charset),
        "size": file.size_bytes,
        "etag": file.etag,
        "version_id": file.version_id,
        "crc32c": file.crc32c,
        "metadata": Jsonb(dict(file.metadata)),
        "visibility": file.visibility,
        "expires_at": _expires(placed, at),
    }


def _expires(placed: Placed, at: datetime) -> datetime | None:
    return None if placed.lifetime is None else at + timedelta(seconds=placed.lifetime)


async def committed_file(tx: Transaction, blob: BlobRow) -> File:
    """What a repeated commit answers: the stored answer, else the file, else (it was replaced or deleted
    meanwhile) the file as this attempt made it.
    """
    if blob.request_id:
        stored = await tx.fetch_one(_STORED_REPLY, (blob.owner_id, blob.request_id, blob.id))
        if stored:
            return File.FromString(stored[0])
    row = await tx.fetch_one(_READ, (blob.owner_id, blob.file_id))
    if row and row[-1] == blob.id:
        return to_file(row[:-1])
    if blob.file_id is None:
        raise AssertionError("only committed blobs are asked for")
    file = build_file(blob, Placed(blob.upload_spec(), blob.owner_id), blob.created_at, blob.file_id)
    file.generation = blob.file_generation or 1
    return file
