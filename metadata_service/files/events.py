"""Events of files, for the outbox."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.db.database import Statement
from metadata_service.db.scopes import INSERT_EVENTS
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

#: Builds the payload of `_payload` in SQL, from rows that still exist.
_APPEND_DELETED: Final = f"""
{INSERT_EVENTS}
SELECT owner_id, %(type)s, id::text, {SHOWN_MEDIA} || jsonb_build_object(
    'family', %(families)s::jsonb -> family::text, 'key', key, 'filename', filename,
    'content_type', split_part(content_type, '{CHARSET}', 1), 'size_bytes', size_bytes,
    'generation', generation), %(traceparent)s
FROM files WHERE owner_id = %(owner)s AND id = ANY(%(ids)s)
"""
_FAMILY_NAMES: Final = {str(number): name for number, name in FAMILY_NAMES.items()}


def file_ready(file: File) -> Statement:
    """The event of a file that became visible or got new content."""
    return _about(file, EVENT_TYPE_FILE_READY)


def ready_params(file: File) -> dict[str, object]:
    """Parameters of `outbox.APPEND_OF_DONE` for the same event."""
    return {"type": EVENT_TYPE_FILE_READY, "subject": file.id, "payload": Jsonb(_payload(file))}


def file_updated(file: File) -> Statement:
    """The event of a changed name, visibility or metadata."""
    return _about(file, EVENT_TYPE_FILE_UPDATED)


def file_described(file: File) -> Statement:
    """The event of a file whose media info was read."""
    return _about(file, EVENT_TYPE_FILE_DESCRIBED)


def file_deleted(file: File) -> Statement:
    """The event of a file that is no longer visible."""
    return _about(file, EVENT_TYPE_FILE_DELETED)


def files_deleted(owner_id: str, file_ids: list[UUID]) -> Statement:
    """The same for many files, in one statement. Run it before the rows are deleted."""
    return _APPEND_DELETED, {
        "owner": owner_id,
        "ids": file_ids,
        "type": EVENT_TYPE_FILE_DELETED,
        "families": Jsonb(_FAMILY_NAMES),
        "traceparent": origin(),
    }


def file_damaged(file: File, damage: str) -> Statement:
    """The event of a file whose object is missing (`lost`) or has other bytes (`corrupt`)."""
    return _about(file, EVENT_TYPE_FILE_DAMAGED, damage=damage)


def file_infected(file: File, signature: str) -> Statement:
    """The event of malware found in a stored file."""
    return _about(file, EVENT_TYPE_FILE_INFECTED, signature=signature, stored=True)


def file_readable(file: File, until: str | None) -> Statement:
    """The event of a file restored from an archive class, `until` then (RFC 3339); None: permanently."""
    return _about(file, EVENT_TYPE_FILE_READABLE, readable_until=until)


def infected_refused(told: ReportRefusalRequest) -> Statement:
    """The event of an upload that was refused and not stored, because malware was found."""
    payload = {
        "family": told.family,
        "filename": told.filename.replace("\0", ""),
        "request_id": told.request_id,
        "signature": told.signature,
        "stored": False,
    }
    return outbox.append(told.owner_id, EVENT_TYPE_FILE_INFECTED, told.request_id, payload)


def import_failed(owner_id: str, told: ReportImportFailureRequest) -> Statement:
    """The event of an import from a URL that has stored nothing."""
    texts = {
        "request_id": told.spec.request_id,
        "filename": told.spec.filename,
        "url": told.url,
        "code": told.code,
        "message": told.message,
    }
    # These texts are not validated; a NUL, which Postgres can't store, may be why they were refused.
    payload = {name: text.replace("\0", "") for name, text in texts.items()}
    family = told.spec.target.WhichOneof("target") or "unspecified"
    return outbox.append(
        owner_id, EVENT_TYPE_IMPORT_FAILED, payload["request_id"], {"family": family, **payload}
    )


def save_failed(owner_id: str, told: ReportSaveFailureRequest) -> Statement:
    """The event of an upload or save that failed because the object store could not be reached."""
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
