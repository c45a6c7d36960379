"""`files.media`: a MediaInfo as JSON, by field names, without fields that are not set."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from strongroom.metadata.v1.file_pb2 import MediaInfo

#: SQL: the result of `shown_media` for a row of `files`; an empty object if the info is of another content.
SHOWN_MEDIA: Final = """CASE WHEN media_of = blob_id AND media IS NOT NULL THEN media - 'duration_millis' ||
    CASE WHEN media ? 'duration_millis'
        THEN jsonb_build_object('duration', (media ->> 'duration_millis')::float8 / 1000)
        ELSE '{}' END
    ELSE '{}' END"""
_NUMBERS: Final = ("width", "height", "orientation", "duration_millis")


def to_media(column: Mapping[str, Any]) -> MediaInfo:
    """The column's value as protobuf."""
    return MediaInfo(
        **{name: column[name] for name in _NUMBERS if name in column},
        taken_at=column.get("taken_at", ""),
        thumbhash=base64.b64decode(column.get("thumbhash", "")),
        has_location=column.get("has_location", False),
    )


def of_media(media: MediaInfo) -> dict[str, object]:
    """The column's value for a MediaInfo."""
    column: dict[str, object] = {name: value for name in _NUMBERS if (value := getattr(media, name))}
    if media.taken_at:
        column["taken_at"] = media.taken_at
    if media.thumbhash:
        column["thumbhash"] = base64.b64encode(media.thumbhash).decode()
    if media.has_location:
        column["has_location"] = True
    return column


def shown_media(media: MediaInfo) -> dict[str, object]:
    """The form that REST and events show, with `duration` in seconds."""
    column = of_media(media)
    millis = column.pop("duration_millis", None)
    return column if millis is None else {**column, "duration": media.duration_millis / 1000}
