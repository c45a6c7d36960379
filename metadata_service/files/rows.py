"""Rows of `files` with their details, and their conversion to protobuf."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from metadata_service.blobs import scans
from metadata_service.db.database import Row
from metadata_service.db.timestamps import set_moment, to_proto
from metadata_service.files.media_columns import to_media
from metadata_service.files.retention import HELD, OF_FILE, to_retention
from servicekit.presentation import split_charset
from strongroom.metadata.v1.file_pb2 import (
    FILE_FAMILY_EVENT_MEDIA,
    FILE_FAMILY_GENERATION,
    EventMediaDetails,
    File,
    GenerationDetails,
    LinkStamp,
)

#: The columns of `to_file`, in its order. Details are read only for rows of their family.
COLUMNS: Final = f"""
files.id::text, files.owner_id, files.family, files.key, files.filename, files.content_type, files.size_bytes,
files.etag, files.generation, files.version_id, files.crc32c, files.metadata, files.visibility,
files.created_at, files.updated_at, files.expires_at, files.deleted_at, files.purge_at,
files.blob_id::text, files.link_epoch, coalesce(files.damage, 0),
coalesce((SELECT epoch FROM link_epochs WHERE link_epochs.owner_id = files.owner_id), 0),
CASE WHEN files.media_of = files.blob_id THEN files.media END,
{scans.SHOWN},
{OF_FILE},
CASE files.family
WHEN {FILE_FAMILY_GENERATION} THEN (
    SELECT json_build_array(generations.type, generations.prompt, generations.settings_json)
    FROM generations WHERE generations.owner_id = files.owner_id AND generations.file_id = files.id)
WHEN {FILE_FAMILY_EVENT_MEDIA} THEN (
    SELECT json_build_array(event_media.event_id, event_media.title, event_media.description,
        event_media.tags)
    FROM event_media WHERE event_media.owner_id = files.owner_id AND event_media.file_id = files.id)
END
"""
#: The columns of `fill_basic_file`.
BASIC_COLUMNS: Final = f"""
files.id::text, files.key, split_part(files.content_type, ';', 1), files.size_bytes, files.etag,
files.updated_at, coalesce(files.damage, 0), CASE WHEN files.media_of = files.blob_id THEN files.media END,
{scans.SHOWN_INFECTED}
"""
#: A condition: files that callers see, neither soft-deleted nor expired.
VISIBLE: Final = "files.deleted_at IS NULL AND (files.expires_at IS NULL OR files.expires_at > now())"
#: A condition: the same, or in the trash and restorable.
NOT_PURGED: Final = f"""(files.expires_at IS NULL OR files.expires_at > now())
AND (files.purge_at IS NULL OR files.purge_at > now() OR {HELD})"""


def to_file(row: Row) -> File:
    """Convert one row of COLUMNS."""
    (
        file_id, owner_id, family, key, filename, content_type, size, etag, generation, version_id, crc32c,
        metadata, visibility, created, updated, expires, deleted, purge, content_id, file_epoch, damage,
        owner_epoch, media, scan, retention, details,
    ) = row  # fmt: skip
    kind, charset = split_charset(content_type)
    file = File(
        id=file_id,
        owner_id=owner_id,
        family=family,
        key=key,
        filename=filename,
        content_type=kind,
        charset=charset,
        size_bytes=size,
        etag=etag,
        generation=generation,
        version_id=version_id,
        crc32c=crc32c,
        metadata=metadata,
        visibility=visibility,
        create_time=to_proto(created),
        update_time=to_proto(updated),
        link_stamp=LinkStamp(content_id=content_id, file_epoch=file_epoch, owner_epoch=owner_epoch),
        data_loss=damage,
    )
    if expires is not None:
        file.expire_time.CopyFrom(to_proto(expires))
    if deleted is not None:
        mark_deleted(file, deleted, purge)
    if media is not None:
        file.media.CopyFrom(to_media(media))
    if scan is not None:
        file.scan.CopyFrom(scans.to_scan(scan))
    if retention is not None:
        file.retention.CopyFrom(to_retention(retention))
    if details is not None:
        _add_details(file, details)
    return file


def fill_file(file: File, row: Row) -> None:
    """Convert one row of COLUMNS into an empty message."""
    file.CopyFrom(to_file(row))


def fill_basic_file(file: File, row: Row) -> None:
    """Convert one row of BASIC_COLUMNS into an empty message. Setting single fields takes a fifth of the time
    of `to_file`.
    """
    file.id, file.key, file.content_type, file.size_bytes, file.etag, updated, damage, media, scan = row
    set_moment(file.update_time, updated)
    if damage:
        file.data_loss = damage
    if media is not None:
        file.media.CopyFrom(to_media(media))
    if scan is not None:
        file.scan.CopyFrom(scans.to_scan(scan))


def mark_deleted(file: File, deleted: datetime, purge: datetime) -> None:
    """Set when a file was soft-deleted and until when it can be restored."""
    file.delete_time.CopyFrom(to_proto(deleted))
    file.purge_time.CopyFrom(to_proto(purge))


def _add_details(file: File, details: list[Any]) -> None:
    if file.family == FILE_FAMILY_GENERATION:
        kind, prompt, settings = details
        generation = GenerationDetails(type=kind, prompt=prompt, settings_json=settings)
        file.generation_details.CopyFrom(generation)
    elif file.family == FILE_FAMILY_EVENT_MEDIA:
        event_id, title, description, tags = details
        media = EventMediaDetails(event_id=event_id, title=title, description=description, tags=tags)
        file.event_media_details.CopyFrom(media)
