"""The form of a user's id in keys."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9\-_.~@+]")


def key_segment(user_id: str) -> str:
    """Return a user id in the form used in keys: docs/architecture.md, "Keys"."""
    escaped = _UNSAFE.sub(lambda found: b"=" + found[0].hex().upper().encode(), user_id.encode()).decode()
    return "=2E" + escaped[1:] if not escaped.strip(".") else escaped
