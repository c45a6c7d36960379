"""Markdown from values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_CODE: Final = re.compile(r"(`[^`]*`)")


def prose(text: str) -> str:
    """A comment as text: HTML outside of backticks is escaped."""
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def cell(text: str) -> str:
    """A text on one line, for a table. Pipes inside backticks are kept."""
    parts = _CODE.split(" ".join(prose(text).split()))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)


def code(text: object) -> str:
    """``text`` in backticks; empty for an empty text."""
    return f"`{text}`" if str(text) else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; empty without rows."""
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines]) + "\n"


def page(title: str, text: str, parts: Iterable[str]) -> str:
    """A page as Markdown: title, text and parts, without the empty ones."""
    body = "\n\n".join(part.strip() for part in (text, *parts) if part.strip())
    return f"# {title}\n\n{body}\n"
