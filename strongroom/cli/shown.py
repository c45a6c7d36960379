"""Formats values for a terminal: safe to display, and names safe to paste into a shell."""

from __future__ import annotations

import re
import shlex
import sys
import unicodedata
from datetime import UTC, datetime, timedelta

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_PREFIXES = ("", "K", "M", "G", "T")
_SIZE = re.compile(r"([0-9]+)\s*(?:([KMGT])(?:iB)?|B)?", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def name(text: str) -> str:
    """Return ``text`` as one word of a POSIX shell (of bash and zsh if it has control characters).

    Nothing in it can move the cursor, ring the bell or reverse the reading direction.
    """
    if text and all(_is_visible(char) for char in text):
        return shlex.quote(text)
    if not text:
        return "''"
    return "$'" + "".join(map(_escaped, text)) + "'"


def line(text: str) -> str:
    """Return ``text`` on one line, with escapes for invisible characters."""
    return "".join(char if _is_visible(char) else _escaped(char) for char in text)


def _is_visible(char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}:
        return False
    try:
        char.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # an old locale, which could not even display it
        return False
    return True


def _escaped(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if _is_visible(char):
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def size(count: int) -> str:
    """Return a size for people: ``1.5 MiB``."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit takes everything")


def count(number: int, one: str, many: str = "") -> str:
    """Return ``1 file`` or ``2 files``. ``many``: an irregular plural."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def bytes_of(text: str) -> int:
    """Parse ``1000000``, ``500M``, ``500MiB`` or ``20 GiB`` into bytes; K, M, G, T are powers of 1024.

    :raises ValueError: any other text.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size; write 1000000, 500M or 20GiB")
    return int(found[1]) << 10 * _PREFIXES.index((found[2] or "").upper())


def time(moment: datetime | None) -> str:
    """Return a time in the local zone, to the minute; ``-`` for None.

    At the limits of the calendar the time keeps its own zone.
    """
    if moment is None:
        return "-"
    try:
        local = moment.astimezone()
    except OverflowError:
        local = moment
    return local.strftime("%Y-%m-%d %H:%M")


def duration(text: str) -> timedelta:
    """Parse ``90``, ``90s``, ``15m``, ``1h``, ``1h30m`` or ``7d`` into a time span.

    :raises ValueError: any other text.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a time span; write 90s, 15m, 1h30m or 7d")
    try:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (OverflowError, ValueError):
        raise ValueError(f"{text[:40]} is longer than any time span") from None


def moment(text: str) -> datetime:
    """Parse ``2026-01-31`` or ``2026-01-31T12:00:00Z``; in UTC without an offset.

    :raises ValueError: any other text, or a time outside of UTC's years 1 to 9999.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T12:00:00Z") from None
