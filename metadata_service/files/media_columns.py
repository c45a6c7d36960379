"""`files.media`: a MediaInfo as JSON, by the names of its fields, without those that are not set."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from strongroom.metadata.v1.file_pb2 import MediaInfo

#: SQL: what `shown_media` says of a row of `files`; an object, of no content but the present one.
SHOWN_MEDIA: Final = """CASE WHEN media_of = blob_id AND media IS NOT NULL THEN media - 'duration_millis' ||
    CASE WHEN media ? 'duration_millis'
        THEN jsonb_build_object('duration', (media ->> 'duration_millis')::float8 / 1000)
        ELSE '{}' END
    ELSE '{}' END"""
_NUMBERS: Final = ("width", "height", "orientation", "duration_millis")


def to_media(column: Mapping[str, Any]) -> MediaInfo:
    """What the column holds."""
    return MediaInfo(
        **{name: column[name] for name in _NUMBERS if name in column},
        taken_at=column.get("taken_at", ""),
        thumbhash=base64.b64decode(column.get("thumbhash", "")),
        has_location=column.get("has_location", False),
    )


def of_media(media: MediaInfo) -> dict[str, object]:
    """What the column is to hold."""
    column: dict[str, object] = {name: value for name in _NUMBERS if (value := getattr(media, name))}
    if media.taken_at:
        column["taken_at"] = media.taken_at
    if media.thumbhash:
        column["thumbhash"] = base64.b64encode(media.thumbhash).decode()
    if media.has_location:
        column["has_location"] = True
    return column


def shown_media(media: MediaInfo) -> dict[str, object]:
    """As REST and events show it: `duration` in seconds."""
    column = of_media(media)
    millis = column.pop("duration_millis", None)
    return column if millis is None else {**column, "duration": media.duration_millis / 1000}
