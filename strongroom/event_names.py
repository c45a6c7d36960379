"""Names of event types in JSON, and in filters of webhooks."""

from __future__ import annotations

from strongroom.enum_words import enum_word
from strongroom.metadata.v1.notification_service_pb2 import EventType


def event_name(number: int) -> str:
    """Return a name such as ``file_ready``."""
    return enum_word(EventType.DESCRIPTOR, number)
