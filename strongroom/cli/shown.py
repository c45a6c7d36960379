"""Values as a terminal shows them: safe to look at, and names safe to paste back into a shell."""

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
    """``text`` as one word of a POSIX shell (bash and zsh for names with control characters).

    Nothing in it can move the cursor, ring the bell or turn the reading direction round.
    """
    if text and all(_is_visible(char) for char in text):
        return shlex.quote(text)
    if not text:
        return "''"
    return "$'" + "".join(map(_escaped, text)) + "'"


def line(text: str) -> str:
    """``text`` on one line for people: what can't be seen becomes an escape."""
    return "".join(char if _is_visible(char) else _escaped(char) for char in text)


def _is_visible(char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}:
        return False
    try:
        char.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # of an old locale: it could not even be written
        return False
    return True


def _escaped(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if _is_visible(char):
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def size(count: int) -> str:
    """Bytes for people: ``1.5 MiB``."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit takes everything")


def count(number: int, one: str, many: str = "") -> str:
    """``1 file``, ``2 files``; ``many``: where it is more than an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def bytes_of(text: str) -> int:
    """``1000000``, ``500M``, ``500MiB``, ``20 GiB`` as bytes; K, M, G, T are powers of 1024.

    :raises ValueError: for anything else, or nothing.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size; write 1000000, 500M or 20GiB")
    return int(found[1]) << 10 * _PREFIXES.index((found[2] or "").upper())


def time(moment: datetime | None) -> str:
    """A time in the local zone, to the minute; ``-`` for none. One at the end of the calendar stays in its
    own zone.
    """
    if moment is None:
        return "-"
    try:
        local = moment.astimezone()
    except OverflowError:
        local = moment
    return local.strftime("%Y-%m-%d %H:%M")


def duration(text: str) -> timedelta:
    """``90``, ``90s``, ``15m``, ``1h``, ``1h30m``, ``7d`` as a time span.

    :raises ValueError: for anything else, or nothing.
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
    """``2026-01-31``, ``2026-01-31T12:00:00Z``, in UTC where nothing else is said.

    :raises ValueError: for anything else, and what UTC's years 1 to 9999 don't hold.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T12:00:00Z") from None
