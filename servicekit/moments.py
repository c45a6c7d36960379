"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime, timespec: str = "auto") -> str:
    """In UTC with ``Z``: ``2026-11-29T20:00:00Z``. ``timespec``: of ``datetime.isoformat``; ``auto`` has
    microseconds where there are any. Of a protobuf Timestamp, hundreds a page: ``gateway.http.shapes``.
    """
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
