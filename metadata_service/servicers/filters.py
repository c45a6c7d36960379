"""Conversion of FileFilter to the filter of the queries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from metadata_service.files.filters import Filter
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import FileFilter


def filter_of(wanted: FileFilter) -> Filter:
    """The filter of a request; an unset one is empty. Raises InvalidField."""
    return Filter(
        query=wanted.query,
        content_type=wanted.content_type,
        created_after=_moment(wanted, "created_after"),
        created_before=_moment(wanted, "created_before"),
        min_size=wanted.min_size_bytes if wanted.HasField("min_size_bytes") else None,
        max_size=wanted.max_size_bytes if wanted.HasField("max_size_bytes") else None,
        settings=dict(wanted.settings),
    )


def _moment(wanted: FileFilter, name: Literal["created_after", "created_before"]) -> datetime | None:
    if not wanted.HasField(name):
        return None
    stamp: Timestamp = getattr(wanted, name)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidField(
            f"{name} must lie in the years 1 to 9999.", field=f"filter.{name}", rule="timestamp"
        ) from None
