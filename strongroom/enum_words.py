"""Names of enum values in answers, logs and manifests."""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.descriptor import EnumDescriptor

from strongroom.metadata.v1.notification_service_pb2 import EventType

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def enum_word(enum: EnumDescriptor, number: int) -> str:
    """Return ``failing`` for ``WEBHOOK_STATE_FAILING``.

    ``unknown_{number}`` for a number that this release doesn't know, so that the rest can still be shown.
    """
    value = enum.values_by_number.get(number)
    if value is None:
        return f"unknown_{number}"
    return value.name.removeprefix(f"{_WORDS.sub('_', enum.name).upper()}_").lower()


def event_name(number: int) -> str:
    """Return the name of an event type in JSON and in filters of webhooks, such as ``file_ready``."""
    return enum_word(EventType.DESCRIPTOR, number)
