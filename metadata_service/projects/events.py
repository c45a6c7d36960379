"""Events of projects, for the outbox."""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Row, Statement
from metadata_service.events import outbox
from servicekit.presentation import split_charset
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_FILE_DAMAGED,
    EVENT_TYPE_PROJECT_DELETED,
    EVENT_TYPE_PROJECT_SAVED,
    EventType,
)
from strongroom.metadata.v1.project_pb2 import Project

#: What `project_file_damaged` takes, in its order.
DAMAGED_COLUMNS: Final = """
projects.owner_id, projects.id::text, projects.slug, files.path, files.from_version, files.until_version,
files.content_type, files.size_bytes
"""


def project_saved(project: Project) -> Statement:
    """A version became the newest one."""
    return _about(project, EVENT_TYPE_PROJECT_SAVED)


def project_deleted(project: Project) -> Statement:
    """The project is no longer visible."""
    return _about(project, EVENT_TYPE_PROJECT_DELETED)


def project_file_damaged(row: Row, key: str, damage: str) -> Statement:
    """A reader met no object (`lost`) or other bytes (`corrupt`). `row`: one of DAMAGED_COLUMNS."""
    owner_id, project_id, slug, path, from_version, until_version, content_type, size = row
    payload = {
        "family": "project_file",
        "key": key,
        "slug": slug,
        "path": path,
        "from_version": from_version,
        "until_version": until_version,
        "content_type": split_charset(content_type)[0],
        "size_bytes": size,
        "damage": damage,
    }
    return outbox.append(owner_id, EVENT_TYPE_FILE_DAMAGED, project_id, payload)


def _about(project: Project, event: EventType.ValueType) -> Statement:
    payload = {
        "slug": project.slug,
        "name": project.name,
        "version": project.version,
        "file_count": project.file_count,
        "size_bytes": project.size_bytes,
    }
    return outbox.append(project.owner_id, event, project.id, payload)
