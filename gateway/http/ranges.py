"""The ``Range`` header (RFC 9110 section 14), one range of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Larger numbers are cut to this: nothing we store is larger, and no long digit string reaches int().
MAX_OFFSET: Final = 2**63 - 1
_MAX_DIGITS: Final = 18
_ONE_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t,]*(?P<first>[0-9]*)-(?P<last>[0-9]*)[ \t,]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range as Download takes it: ``offset`` negative means the last ``-offset`` bytes; ``limit`` 0: to the
    end.
    """

    offset: int
    limit: int


def parse_range(value: str | None) -> ByteRange | None:
    """The range asked for, or None where the whole file is to be sent.

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
