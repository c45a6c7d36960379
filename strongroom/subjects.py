"""Users' names, the claim ``sub`` of tokens: their rules, which makers of tokens check in advance, and their
form in S3 keys.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_SUBJECT_BYTES: Final = 255
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9\-_.~@+]")


def wrong_subject(subject: str) -> str:
    """Why ``subject`` can't be a name, or ``""``: people must be able to distinguish two users.

    Quotes, ``*``, ``%`` and other special characters are allowed: no query or pattern is ever built from a
    name, and S3 keys escape it.
    """
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in subject):
        return "contains control characters"
    if any(unicodedata.category(char) in ("Zs", "Cf") for char in (subject[:1], subject[-1:]) if char):
        return "begins or ends with a blank or an invisible character"
    if len(subject.encode("utf-8")) > MAX_SUBJECT_BYTES:
        return f"is longer than {MAX_SUBJECT_BYTES} bytes"
    return ""


def key_segment(text: str) -> str:
    """Return a user id, or another text, in the form used in keys: docs/architecture.md, "Keys"."""
    escaped = _UNSAFE.sub(lambda found: b"=" + found[0].hex().upper().encode(), text.encode()).decode()
    return "=2E" + escaped[1:] if not escaped.strip(".") else escaped
