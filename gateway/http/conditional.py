"""Conditional requests: entity tags, dates and their precedence (RFC 9110 section 13); ``Range``, one range
of bytes (section 14).
"""

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
#: Headers that make a request conditional; without any of them no look-up is needed.
CONDITIONS: Final = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


class Outcome(Enum):
    """The result of evaluating conditions."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not modified"
    FAILED = "precondition failed"


@dataclass(frozen=True, slots=True)
class Validators:
    """The validators that conditions are compared with.

    ``etag``: strong, without quotes; ``modified``: whole seconds, UTC.
    """

    etag: str
    modified: datetime

    @property
    def etag_header(self) -> str:
        """The value of ``ETag``; empty if a header can't contain the tag."""
        return f'"{self.etag}"' if _SAFE_TAG.fullmatch(self.etag) else ""

    @property
    def modified_header(self) -> str:
        """The value of ``Last-Modified`` (IMF-fixdate)."""
        return format_datetime(self.modified, usegmt=True)


def evaluate(header: Callable[[str], str | None], validators: Validators) -> Outcome:
    """Decide a GET or HEAD in the order of section 13.2.2. ``header`` returns a field by its
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


def may_change(header: Callable[[str], str | None], validators: Validators) -> bool:
    """Whether all conditions of a request that changes something hold.

    The order is the same, but ``If-Modified-Since`` is ignored, and a matching ``If-None-Match`` means no.
    """
    asked = evaluate(lambda name: None if name == "if-modified-since" else header(name), validators)
    return asked is Outcome.PROCEED


def range_applies(if_range: str | None, validators: Validators) -> bool:
    """Whether ``Range`` counts under ``If-Range`` (section 13.1.5): only if the strong tags are equal.

    A date never matches. A file that was replaced twice within a second has two contents of the same date,
    which the client would join (section 8.8.2.2). All responses have a tag, which clients prefer.
    """
    if if_range is None:
        return True
    text = if_range.strip()
    return text.startswith(('"', "W/")) and matches(text, validators.etag, weak=False)


def matches(value: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags contains ``etag``, or is ``*``.

    ``weak``: compare weakly, as If-None-Match does; otherwise a ``W/`` tag never matches (section 8.8.3.2). A
    malformed list matches nothing.
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
    """Whether ``modified`` is later than the date in ``value``; None if there is no date or it is
    malformed.
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


#: Larger numbers are lowered to this: no stored file is larger, and int() gets no long string of digits.
MAX_OFFSET: Final = 2**63 - 1
_MAX_DIGITS: Final = 18
_ONE_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t,]*(?P<first>[0-9]*)-(?P<last>[0-9]*)[ \t,]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range for Download: a negative ``offset`` means the last ``-offset`` bytes; ``limit`` 0:
    to the end.
    """

    offset: int
    limit: int


def parse_range(value: str | None) -> ByteRange | None:
    """The requested range, or None if the whole file is to be sent.

    None for no header, another unit, a malformed value, and several ranges: a server may ignore those
    (section 14.2). ``bytes=-0`` asks for nothing and can't be satisfied (section 14.1.2): an offset past
    every end.
    """
    match = _ONE_RANGE.fullmatch(value) if value is not None else None
    if match is None:
        return None
    first, last = match["first"], match["last"]
    if not first:
        if not last:
            return None
        length = _number(last)
        return ByteRange(-length, 0) if length else ByteRange(MAX_OFFSET, 0)
    start = _number(first)
    if not last:
        return ByteRange(start, 0)
    end = _number(last)
    if end < start:
        return None
    return ByteRange(start, min(end - start + 1, MAX_OFFSET))


def content_range(offset: int, length: int, size: int) -> str:
    """The value of ``Content-Range`` for ``length`` > 0 bytes from ``offset`` of ``size``."""
    return f"bytes {offset}-{offset + length - 1}/{size}"


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else MAX_OFFSET
