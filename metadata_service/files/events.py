"""Events of files, for the outbox."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.db.database import Statement
from metadata_service.events import outbox
from metadata_service.files.media_columns import SHOWN_MEDIA, shown_media
from servicekit.presentation import CHARSET
from servicekit.telemetry.tracing import origin
from strongroom.families import FAMILY_NAMES, family_name
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_FILE_DAMAGED,
    EVENT_TYPE_FILE_DELETED,
    EVENT_TYPE_FILE_DESCRIBED,
    EVENT_TYPE_FILE_INFECTED,
    EVENT_TYPE_FILE_READABLE,
    EVENT_TYPE_FILE_READY,
    EVENT_TYPE_FILE_UPDATED,
    EVENT_TYPE_IMPORT_FAILED,
    EVENT_TYPE_SAVE_FAILED,
    EventType,
)
from strongroom.metadata.v1.reservation_service_pb2 import (
    ReportImportFailureRequest,
    ReportSaveFailureRequest,
)
from strongroom.metadata.v1.scan_service_pb2 import ReportRefusalRequest

#: What `_payload` builds, of rows that are still there.
_APPEND_DELETED: Final = f"""
INSERT INTO events (owner_id, type, subject_id, payload, traceparent)
SELECT owner_id, %(type)s, id::text, {SHOWN_MEDIA} || jsonb_build_object(
    'family', %(families)s::jsonb -> family::text, 'key', key, 'filename', filename,
    'content_type', split_part(content_type, '{CHARSET}', 1), 'size_bytes', size_bytes,
    'generation', generation), %(traceparent)s
FROM files WHERE owner_id = %(owner)s AND id = ANY(%(ids)s)
"""
_FAMILY_NAMES: Final = {str(number): name for number, name in FAMILY_NAMES.items()}


def file_ready(file: File) -> Statement:
    """The file became visible, or its content was replaced."""
    return _about(file, EVENT_TYPE_FILE_READY)


def ready_params(file: File) -> dict[str, object]:
    """The parameters of `outbox.APPEND_OF_DONE` for the same event."""
    return {"type": EVENT_TYPE_FILE_READY, "subject": file.id, "payload": Jsonb(_payload(file))}


def file_updated(file: File) -> Statement:
    """Name, visibility or metadata changed."""
    return _about(file, EVENT_TYPE_FILE_UPDATED)


def file_described(file: File) -> Statement:
    """What it says of itself is known."""
    return _about(file, EVENT_TYPE_FILE_DESCRIBED)


def file_deleted(file: File) -> Statement:
    """The file is no longer visible."""
    return _about(file, EVENT_TYPE_FILE_DELETED)


def files_deleted(owner_id: str, file_ids: list[UUID]) -> Statement:
    """The same of many, in one statement, which comes before the one that removes them."""
    return _APPEND_DELETED, {
        "owner": owner_id,
        "ids": file_ids,
        "type": EVENT_TYPE_FILE_DELETED,
        "families": Jsonb(_FAMILY_NAMES),
        "traceparent": origin(),
    }


def file_damaged(file: File, damage: str) -> Statement:
    """A reader met no object (`lost`) or other bytes (`corrupt`)."""
    return _about(file, EVENT_TYPE_FILE_DAMAGED, damage=damage)


def file_infected(file: File, signature: str) -> Statement:
    """Something was found in it after it had been stored."""
    return _about(file, EVENT_TYPE_FILE_INFECTED, signature=signature, stored=True)


def file_readable(file: File, until: str | None) -> Statement:
    """The store has brought it back from an archive class, `until` then (RFC 3339); None: for good."""
    return _about(file, EVENT_TYPE_FILE_READABLE, readable_until=until)


def infected_refused(told: ReportRefusalRequest) -> Statement:
    """Something was found in what was sent; it is not stored."""
    payload = {
        "family": told.family,
        "filename": told.filename.replace("\0", ""),
        "request_id": told.request_id,
        "signature": told.signature,
        "stored": False,
    }
    return outbox.append(told.owner_id, EVENT_TYPE_FILE_INFECTED, told.request_id, payload)


def import_failed(owner_id: str, told: ReportImportFailureRequest) -> Statement:
    """An import from a URL has stored nothing."""
    texts = {
        "request_id": told.spec.request_id,
        "filename": told.spec.filename,
        "url": told.url,
        "code": told.code,
        "message": told.message,
    }
    # Nobody has checked them: a NUL, which Postgres can't hold, may be just what was refused.
    payload = {name: text.replace("\0", "") for name, text in texts.items()}
    family = told.spec.target.WhichOneof("target") or "unspecified"
    return outbox.append(
        owner_id, EVENT_TYPE_IMPORT_FAILED, payload["request_id"], {"family": family, **payload}
    )


def save_failed(owner_id: str, told: ReportSaveFailureRequest) -> Statement:
    """The object store could not be reached for what was sent."""
    names = ("family", "request_id", "filename", "upload_id", "slug", "code", "message")
    texts = {name: str(getattr(told, name)).replace("\0", "") for name in names}
    payload = {name: text for name, text in texts.items() if text or name in {"family", "request_id"}}
    subject = texts["upload_id"] or texts["slug"] or texts["request_id"]
    return outbox.append(owner_id, EVENT_TYPE_SAVE_FAILED, subject, payload)


def _about(file: File, event: EventType.ValueType, **more: object) -> Statement:
    return outbox.append(file.owner_id, event, file.id, {**_payload(file), **more})


def _payload(file: File) -> dict[str, object]:
    media = shown_media(file.media) if file.HasField("media") else {}
    return {
        **media,
        "family": family_name(file.family),
        "key": file.key,
        "filename": file.filename,
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "generation": file.generation,
    }
