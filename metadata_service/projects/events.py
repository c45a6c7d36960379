"""Events of projects, for the outbox."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.db.database import Row, Statement
from metadata_service.db.scopes import INSERT_EVENTS
from metadata_service.events import outbox
from servicekit.presentation import split_charset
from servicekit.telemetry.tracing import origin
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_FILE_DAMAGED,
    EVENT_TYPE_FILE_INFECTED,
    EVENT_TYPE_FILE_READABLE,
    EVENT_TYPE_PROJECT_DELETED,
    EVENT_TYPE_PROJECT_SAVE_PROGRESS,
    EVENT_TYPE_PROJECT_SAVED,
    EventType,
)
from strongroom.metadata.v1.project_pb2 import Project

#: The files of projects with the content `owner`, `blob`, for the events below.
OF_CONTENT: Final = """
SELECT projects.owner_id, projects.id::text, projects.slug, files.path, files.from_version,
    files.until_version, files.content_type, files.size_bytes, blobs.key
FROM project_files AS files
JOIN projects ON projects.owner_id = files.owner_id AND projects.id = files.project_id
JOIN blobs ON blobs.owner_id = files.owner_id AND blobs.id = files.blob_id
WHERE files.owner_id = %(owner)s AND files.blob_id = %(blob)s
"""
#: A save is reported from this many files, bytes or seconds on; and again after this many seconds.
_FILES, _BYTES, _SECONDS, _AGAIN = 100, 8 << 20, 0.5, 1.0
_TELL_PROGRESS: Final = f"""
WITH due AS (
    SELECT id, project_id, created_at FROM project_saves WHERE owner_id = %(owner)s AND id = %(save)s
        AND (told_at IS NULL OR told_at <= now() - make_interval(secs => {_AGAIN}))
), sums AS (
    SELECT due.*, count(*) AS files, sum(size_bytes)::bigint AS bytes, count(version_id) AS stored,
        coalesce(sum(size_bytes) FILTER (WHERE version_id IS NOT NULL), 0)::bigint AS stored_bytes
    FROM due JOIN project_save_files AS staged
        ON staged.owner_id = %(owner)s AND staged.save_id = due.id AND staged.blob_id IS NOT NULL
    GROUP BY due.id, due.project_id, due.created_at
), told AS (
    UPDATE project_saves SET told_at = now() FROM sums
    WHERE project_saves.owner_id = %(owner)s AND project_saves.id = sums.id AND (files >= {_FILES}
        OR bytes >= {_BYTES} OR sums.created_at <= now() - make_interval(secs => {_SECONDS}))
    RETURNING sums.*
)
{INSERT_EVENTS}
SELECT %(owner)s, {EVENT_TYPE_PROJECT_SAVE_PROGRESS}, told.project_id::text, jsonb_build_object('slug', slug,
    'save_id', told.id, 'file_count', files, 'size_bytes', bytes, 'stored_count', stored,
    'stored_bytes', stored_bytes), %(traceparent)s
FROM told JOIN projects ON projects.owner_id = %(owner)s AND projects.id = told.project_id
"""


def save_progress(owner_id: str, save_id: UUID) -> Statement:
    """The event about a save's progress, in a transaction that has locked it.

    Nothing for a save that is quick, has nothing to store, or was reported just now.
    """
    return _TELL_PROGRESS, {"owner": owner_id, "save": save_id, "traceparent": origin()}


def project_saved(project: Project) -> Statement:
    """The event of a new version."""
    return _about(project, EVENT_TYPE_PROJECT_SAVED)


def project_deleted(project: Project) -> Statement:
    """The event of a project that is no longer visible."""
    return _about(project, EVENT_TYPE_PROJECT_DELETED)


def project_file_damaged(row: Row, damage: str) -> Statement:
    """The event of a file whose object is missing (`lost`) or has wrong bytes (`corrupt`). `row`: of
    OF_CONTENT.
    """
    return _about_file(row, EVENT_TYPE_FILE_DAMAGED, damage=damage)


def project_file_infected(row: Row, signature: str) -> Statement:
    """The event of a file that was found infected after it was saved. `row`: of OF_CONTENT."""
    return _about_file(row, EVENT_TYPE_FILE_INFECTED, signature=signature, stored=True)


def project_file_readable(row: Row, until: str | None) -> Statement:
    """The event of a file restored from an archive class, until `until` (RFC 3339); None: permanently.
    `row`: of OF_CONTENT.
    """
    return _about_file(row, EVENT_TYPE_FILE_READABLE, readable_until=until)


def _about_file(row: Row, event: EventType.ValueType, **more: object) -> Statement:
    owner_id, project_id, slug, path, from_version, until_version, content_type, size, key = row
    payload = {
        "family": "project_file",
        "key": key,
        "slug": slug,
        "path": path,
        "from_version": from_version,
        "until_version": until_version,
        "content_type": split_charset(content_type)[0],
        "size_bytes": size,
        **more,
    }
    return outbox.append(owner_id, event, project_id, payload)


def _about(project: Project, event: EventType.ValueType) -> Statement:
    payload = {
        "slug": project.slug,
        "name": project.name,
        "version": project.version,
        "file_count": project.file_count,
        "size_bytes": project.size_bytes,
    }
    return outbox.append(project.owner_id, event, project.id, payload)
