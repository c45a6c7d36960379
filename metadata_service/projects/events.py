"""Events of projects, for the outbox."""

from __future__ import annotations

from typing import Final

from psycopg.types.json import Jsonb

from metadata_service.database import Statement
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_PROJECT_DELETED,
    EVENT_TYPE_PROJECT_SAVED,
    EventType,
)
from strongroom.metadata.v1.project_pb2 import Project

_APPEND: Final = "INSERT INTO events (owner_id, type, subject_id, payload) VALUES (%s, %s, %s, %s)"


def project_saved(project: Project) -> Statement:
    """A version became the newest one."""
    return _about(project, EVENT_TYPE_PROJECT_SAVED)


def project_deleted(project: Project) -> Statement:
    """The project is no longer visible."""
    return _about(project, EVENT_TYPE_PROJECT_DELETED)


def _about(project: Project, event: EventType.ValueType) -> Statement:
    payload = {
        "slug": project.slug,
        "name": project.name,
        "version": project.version,
        "file_count": project.file_count,
        "size_bytes": project.size_bytes,
    }
    return _APPEND, (project.owner_id, event, project.id, Jsonb(payload))
