"""What the types of events are called in JSON, and in filters of webhooks."""

from __future__ import annotations

from strongroom.enum_words import enum_word
from strongroom.metadata.v1.notification_service_pb2 import EventType


def event_name(number: int) -> str:
    """``file_ready`` and its like."""
    return enum_word(EventType.DESCRIPTOR, number)
