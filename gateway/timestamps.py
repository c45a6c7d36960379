"""Times in JSON: RFC 3339, UTC, with ``Z``."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def rfc3339(moment: Timestamp) -> str:
    """``2026-01-02T03:04:05.123456Z``; microseconds are left out when they are zero."""
    text = datetime.fromtimestamp(moment.seconds, UTC).replace(microsecond=moment.nanos // 1000).isoformat()
    return text.removesuffix("+00:00") + "Z"
