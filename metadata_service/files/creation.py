"""Rows of committed blobs in `files`: a new file, or the new content of the file in a slot (`profile`,
`path:…`).

A slot contains at most one live file of its owner, which is replaced in one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.blobs.rows import BlobRow
from metadata_service.db.database import Statement, Transaction
from metadata_service.db.timestamps import set_moment, to_proto
from metadata_service.files.families import Placed, file_metadata, with_details
from metadata_service.files.retention import KEEP_COLUMNS, KEEP_VALUES, wish_params, wished
from metadata_service.files.rows import COLUMNS, to_file
from servicekit.presentation import split_charset, with_charset
from strongroom.metadata.v1.file_pb2 import File, LinkStamp

_INSERT: Final = f"""
INSERT INTO files (owner_id, id, family, key, slot, blob_id, filename, content_type, size_bytes, etag,
    generation, version_id, crc32c, metadata, visibility, expires_at, {KEEP_COLUMNS})
VALUES (%(owner)s, %(file_id)s, %(family)s, %(key)s, %(slot)s, %(blob_id)s, %(filename)s,
    %(content_type)s, %(size)s, %(etag)s, 1, %(version_id)s, %(crc32c)s, %(metadata)s, %(visibility)s,
    %(expires_at)s, {KEEP_VALUES})
"""
_LOCK_SLOT: Final = """
SELECT id, blob_id, generation, size_bytes, created_at, link_epoch, updated_at FROM files
WHERE owner_id = %s AND slot = %s AND deleted_at IS NULL FOR UPDATE
"""
_REPLACE: Final = f"""
UPDATE files SET key = %(key)s, blob_id = %(blob_id)s, filename = %(filename)s,
    content_type = %(content_type)s, size_bytes = %(size)s, etag = %(etag)s, generation = %(generation)s,
    version_id = %(version_id)s, crc32c = %(crc32c)s, metadata = %(metadata)s, visibility = %(visibility)s,
    ({KEEP_COLUMNS}) = ROW({KEEP_VALUES}), damage = NULL, updated_at = now()
WHERE owner_id = %(owner)s AND id = %(file_id)s
"""
#: The same for an attempt whose compare-and-set is the relation `done` of the statement.
INSERT_OF_DONE: Final = f"""
INSERT INTO files (owner_id, id, family, key, blob_id, filename, content_type, size_bytes, etag, generation,
    version_id, crc32c, metadata, visibility, {KEEP_COLUMNS})
SELECT done.owner_id, %(file_id)s, %(family)s, done.key, done.id, %(filename)s, %(content_type)s, %(size)s,
    %(etag)s, 1, %(version_id)s, %(crc32c)s, %(metadata)s, %(visibility)s, {KEEP_VALUES}
FROM done
"""
_READ: Final = f"SELECT {COLUMNS}, files.blob_id FROM files WHERE owner_id = %s AND id = %s"
_STORED_REPLY: Final = """
SELECT reply FROM idempotency_keys
WHERE owner_id = %s AND request_id = %s AND blob_id = %s AND reply IS NOT NULL
"""


def build_file(
    blob: BlobRow, placed: Placed, at: datetime, file_id: UUID, *, owner_link_epoch: int = 0
) -> File:
    """A new file, generation 1, committed at `at`. `blob`: the row after its commit."""
    file = undated_file(blob, placed, file_id)
    date(file, placed, at, owner_link_epoch)
    return file


def undated_file(blob: BlobRow, placed: Placed, file_id: UUID) -> File:
    """As ``build_file``, without what only the transaction knows; see ``date``."""
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
        link_stamp=LinkStamp(content_id=str(blob.id)),
    )
    return with_details(file, spec.target)


def date(file: File, placed: Placed, at: datetime, owner_link_epoch: int) -> None:
    """Set the times of a file committed at `at`, and its owner's link epoch."""
    set_moment(file.create_time, at)
    file.update_time.CopyFrom(file.create_time)
    file.link_stamp.owner_epoch = owner_link_epoch
    expires = _expires(placed, at)
    if expires is not None:
        set_moment(file.expire_time, expires)
    retention = wished(placed.spec, at)
    if retention is not None:
        file.retention.CopyFrom(retention)


def insert_file(file: File, blob: BlobRow, placed: Placed, at: datetime) -> Statement:
    """The statement that makes the file visible, created and updated at `at`, the transaction's now()."""
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
        **wish_params(placed.spec.retention, file.owner_id),
    }


def _expires(placed: Placed, at: datetime) -> datetime | None:
    return None if placed.lifetime is None else at + timedelta(seconds=placed.lifetime)


@dataclass(frozen=True, slots=True)
class Occupant:
    """The file in a slot; its row is locked until the transaction ends."""

    file_id: UUID
    blob_id: UUID
    generation: int
    size_bytes: int
    created_at: datetime
    link_epoch: int
    updated_at: datetime


async def lock_slot(tx: Transaction, owner_id: str, slot: str | None) -> Occupant | None:
    """Lock the slot's file against deletion and replacement by others. Returns None if the slot is empty."""
    if slot is None:
        return None
    row = await tx.fetch_one(_LOCK_SLOT, (owner_id, slot))
    return Occupant(*row) if row else None


def take_over(file: File, occupant: Occupant) -> None:
    """Give the new content the occupant's id and creation time, and the next generation."""
    file.id = str(occupant.file_id)
    file.generation = occupant.generation + 1
    file.link_stamp.file_epoch = occupant.link_epoch
    file.create_time.CopyFrom(to_proto(occupant.created_at))


def replace(file: File, blob: BlobRow, placed: Placed) -> Statement:
    """The statement that gives a file row its new content."""
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
        **wish_params(placed.spec.retention, file.owner_id),
    }


async def committed_file(tx: Transaction, blob: BlobRow) -> File:
    """The result of a repeated commit: the stored answer, else the file, else the file as this attempt made
    it (it was replaced or deleted meanwhile).
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
