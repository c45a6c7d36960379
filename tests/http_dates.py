"""Dates of HTTP, as conditions have them."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime


def a_second_after(last_modified: str) -> str:
    """What was stored a moment ago says that it was so a second before: a date that holds for it."""
    return format_datetime(parsedate_to_datetime(last_modified) + timedelta(seconds=1), usegmt=True)
