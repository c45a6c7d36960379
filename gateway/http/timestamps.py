"""Times in JSON: RFC 3339, UTC, with ``Z``."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

#: Without a time zone: everything here is UTC, and half as dear without saying so.
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


def rfc3339(moment: Timestamp) -> str:
    """``2026-01-02T03:04:05.123456Z``; microseconds are left out when they are zero."""
    return (_EPOCH + timedelta(0, moment.seconds, moment.nanos // 1000)).isoformat() + "Z"
