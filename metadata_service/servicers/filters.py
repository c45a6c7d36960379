"""FileFilter as the queries take it."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from metadata_service.files.filters import Filter
from strongroom.metadata.v1.file_pb2 import FileFilter


def filter_of(wanted: FileFilter) -> Filter:
    """The filter of a request; an unset one is empty."""
    return Filter(
        query=wanted.query,
        content_type=wanted.content_type,
        created_after=_moment(wanted.created_after) if wanted.HasField("created_after") else None,
        created_before=_moment(wanted.created_before) if wanted.HasField("created_before") else None,
        min_size=wanted.min_size_bytes if wanted.HasField("min_size_bytes") else None,
        max_size=wanted.max_size_bytes if wanted.HasField("max_size_bytes") else None,
        settings=dict(wanted.settings),
    )


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
