"""Events, written in the transaction that they tell of: whoever reads them later misses none and hears of no
undone one.

No NOTIFY here: it takes a lock over the whole database until the commit is on disk. Whoever waits for
events is woken outside of the transaction.
"""

from __future__ import annotations

from typing import Final

from psycopg.types.json import Jsonb

from metadata_service.db.database import Statement, Transaction
from metadata_service.files.families import family_name
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_FILE_DAMAGED,
    EVENT_TYPE_FILE_DELETED,
    EVENT_TYPE_FILE_READY,
    EVENT_TYPE_FILE_UPDATED,
    EVENT_TYPE_IMPORT_FAILED,
    EventType,
)
from strongroom.metadata.v1.reservation_service_pb2 import ReportImportFailureRequest

_APPEND: Final = "INSERT INTO events (owner_id, type, subject_id, payload) VALUES (%s, %s, %s, %s)"
_FORGET: Final = """
DELETE FROM events WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM events WHERE created_at <= now() - make_interval(secs => %(keep)s)
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
"""


def file_ready(file: File) -> Statement:
    """The file became visible, or its content was replaced."""
    return _about(file, EVENT_TYPE_FILE_READY)


def file_updated(file: File) -> Statement:
    """Name, visibility or metadata changed."""
    return _about(file, EVENT_TYPE_FILE_UPDATED)


def file_deleted(file: File) -> Statement:
    """The file is no longer visible."""
    return _about(file, EVENT_TYPE_FILE_DELETED)


def file_damaged(file: File, damage: str) -> Statement:
    """A reader met no object (`lost`) or other bytes (`corrupt`)."""
    return _about(file, EVENT_TYPE_FILE_DAMAGED, damage=damage)


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
    subject = payload["request_id"]
    return _APPEND, (owner_id, EVENT_TYPE_IMPORT_FAILED, subject, Jsonb({"family": family, **payload}))


async def forget(tx: Transaction, keep: float, limit: int) -> int:
    """Remove events older than `keep` seconds."""
    return await tx.execute(_FORGET, {"keep": keep, "limit": limit})


def _about(file: File, event: EventType.ValueType, **more: str) -> Statement:
    payload = {
        "family": family_name(file.family),
        "key": file.key,
        "filename": file.filename,
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "generation": file.generation,
    }
    return _APPEND, (file.owner_id, event, file.id, Jsonb(payload | more))
