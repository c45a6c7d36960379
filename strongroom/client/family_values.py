"""Return values of the calls for generations, event media and notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from strongroom.client.files import StoredFile
from strongroom.enum_words import enum_word, event_name
from strongroom.metadata.v1 import file_pb2, generation_service_pb2, notification_service_pb2


@dataclass(frozen=True, slots=True)
class CountedPage:
    """One page of a family's list, newest first. ``total``: exact number of all matches."""

    files: tuple[StoredFile, ...]
    total: int
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of files, and their bytes."""

    count: int
    size: int


@dataclass(frozen=True, slots=True)
class GenerationStats:
    """Counts from one snapshot. ``by_type`` has the types that occur, ``by_day`` the last 30 days (UTC)."""

    total: int
    total_bytes: int
    by_type: Mapping[str, Counted]
    by_day: Mapping[date, Counted]
    estimated_monthly_cost_usd: float

    @classmethod
    def from_proto(cls, stats: generation_service_pb2.GetGenerationStatsResponse) -> GenerationStats:
        """The value for a ``GetGenerationStatsResponse``."""
        return cls(
            stats.total,
            stats.total_bytes,
            {generation_type(one.type): Counted(one.count, one.size_bytes) for one in stats.by_type},
            {date.fromisoformat(day.date): Counted(day.count, day.size_bytes) for day in stats.by_day},
            stats.estimated_monthly_cost_usd,
        )


def generation_type(value: file_pb2.GenerationType.ValueType) -> str:
    """``text-to-image`` for ``GENERATION_TYPE_TEXT_TO_IMAGE``."""
    return enum_word(file_pb2.GenerationType.DESCRIPTOR, value).replace("_", "-")


@dataclass(frozen=True, slots=True)
class Notification:
    """One event. ``type``: ``file-ready``, ``file-deleted``, ``upload-progress``, …; ``subject_id``: the UUID
    of the file, upload or project; ``payload``: the resource, as the REST family shows it. ``user_id``: the
    user, in streams of all users' events.
    """

    id: str
    type: str
    subject_id: str
    payload: Any
    created_at: datetime
    user_id: str = ""

    @classmethod
    def from_proto(cls, event: notification_service_pb2.Event) -> Notification:
        """The value for an ``Event``; a type that this release does not know is ``unknown``."""
        known = event.type in notification_service_pb2.EventType.values()
        return cls(
            event.id,
            event_name(event.type).replace("_", "-") if known else "unknown",
            event.subject_id,
            json.loads(event.payload_json) if event.payload_json else None,
            event.create_time.ToDatetime(tzinfo=UTC),
            event.user_id,
        )
