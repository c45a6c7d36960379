"""Conditional requests (RFC 9110 section 13): entity tags, dates and their order of precedence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum
from typing import Final

_ETAG: Final = re.compile(r'[ \t,]*(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?=,|\Z)')
_SAFE_TAG: Final = re.compile(r"[\x21\x23-\x7e]{1,255}")
#: Names of the headers that make a request conditional; none of them present: no look-up is needed.
CONDITIONS: Final = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


class Outcome(Enum):
    """What a condition decides."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not modified"
    FAILED = "precondition failed"


@dataclass(frozen=True, slots=True)
class Validators:
    """What conditions are compared with. ``etag`` without quotes, strong; ``modified`` in whole
    seconds, UTC.
    """

    etag: str
    modified: datetime

    @property
    def etag_header(self) -> str:
        """The value of ``ETag``; empty when the tag can't stand in a header."""
        return f'"{self.etag}"' if _SAFE_TAG.fullmatch(self.etag) else ""

    @property
    def modified_header(self) -> str:
        """The value of ``Last-Modified`` (IMF-fixdate)."""
        return format_datetime(self.modified, usegmt=True)


def evaluate(header: Callable[[str], str | None], validators: Validators) -> Outcome:
    """Decide a GET or HEAD in the order of section 13.2.2. ``header`` answers a field by its
    lower-case name.
    """
    if_match = header("if-match")
    if if_match is not None:
        if not matches(if_match, validators.etag, weak=False):
            return Outcome.FAILED
    elif _modified_since(header("if-unmodified-since"), validators.modified) is True:
        return Outcome.FAILED
    if_none_match = header("if-none-match")
    if if_none_match is not None:
        return Outcome.NOT_MODIFIED if matches(if_none_match, validators.etag, weak=True) else Outcome.PROCEED
    if _modified_since(header("if-modified-since"), validators.modified) is False:
        return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def range_applies(if_range: str | None, validators: Validators) -> bool:
    """Whether ``Range`` counts under ``If-Range`` (section 13.1.5): same strong tag, or exactly the same
    date.
    """
    if if_range is None:
        return True
    text = if_range.strip()
    if text.startswith(('"', "W/")):
        return matches(text, validators.etag, weak=False)
    moment = _date(text)
    return moment is not None and moment == validators.modified


def matches(value: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags holds ``etag``, or is ``*``.

    ``weak``: compare weakly, as If-None-Match does; otherwise a ``W/`` tag never matches (section 8.8.3.2).
    What is no list of entity tags matches nothing.
    """
    if value.strip(" \t") == "*":
        return True
    position, found = 0, False
    while position < len(value):
        match = _ETAG.match(value, position)
        if match is None:
            return found and not value[position:].strip(" \t,")
        if match["tag"] == etag and (weak or not match["weak"]):
            found = True
        position = match.end()
    return found


def _modified_since(value: str | None, modified: datetime) -> bool | None:
    """Whether ``modified`` is later than the date in ``value``; None when there is none or it
    can't be read.
    """
    moment = _date(value) if value is not None else None
    return None if moment is None else modified > moment


def _date(text: str) -> datetime | None:
    if len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
