"""Conversion between datetimes of the database (UTC, microseconds) and protobuf timestamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def set_moment(timestamp: Timestamp, moment: datetime) -> None:
    """Set `timestamp` in place; making another one and copying it would take twice as long."""
    since = moment - _EPOCH
    timestamp.seconds = since.days * 86400 + since.seconds
    timestamp.nanos = since.microseconds * 1000


def to_proto(moment: datetime) -> Timestamp:
    """Convert exactly, several times faster than Timestamp.FromDatetime; this matters for a page
    of 50 files.
    """
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


def from_proto(timestamp: Timestamp) -> datetime:
    """The inverse of `to_proto`."""
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
