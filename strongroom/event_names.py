"""What the types of events are called in JSON, and in filters of webhooks."""

from __future__ import annotations

from strongroom.metadata.v1.notification_service_pb2 import EventType


def event_name(number: int) -> str:
    """``file_ready`` and its like. ``unknown_{number}``: a newer release has written it, or nobody; that is
    no reason to show nothing of what it stands beside.
    """
    known = EventType.DESCRIPTOR.values_by_number.get(number)
    return f"unknown_{number}" if known is None else known.name.removeprefix("EVENT_TYPE_").lower()
