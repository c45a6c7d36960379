"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime, timespec: str = "auto") -> str:
    """In UTC with ``Z``: ``2026-11-29T20:00:00Z``. ``timespec``: as for ``datetime.isoformat``; ``auto``
    shows microseconds if there are any. For protobuf Timestamps, of which a page has hundreds, see
    ``gateway.http.shapes``.
    """
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
