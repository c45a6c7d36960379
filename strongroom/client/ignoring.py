"""What a saved tree leaves out: patterns as in .gitignore (https://git-scm.com/docs/gitignore)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: What no version of a project is meant to hold. ``ignore=()`` takes these, too.
DEFAULT_IGNORE: Final = (".git/", "node_modules/", "__pycache__/", ".venv/", ".DS_Store")

_WILDCARDS: Final = {"*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class _Rule:
    expression: re.Pattern[str]
    negated: bool
    folders_only: bool


class Ignore:
    """Decides by the last pattern that matches. A folder that is left out is not looked into.

    ``*`` and ``?`` stay inside a name, ``**`` crosses names, ``!`` takes back, a trailing ``/`` means folders
    only, a ``/`` elsewhere ties the pattern to the root of the tree; ``#`` begins a comment.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules = [rule for pattern in patterns if (rule := _rule(pattern)) is not None]

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether ``path`` (relative, with ``/``) is left out."""
        for rule in reversed(self._rules):
            if (folder or not rule.folders_only) and rule.expression.fullmatch(path):
                return not rule.negated
        return False


def _rule(pattern: str) -> _Rule | None:
    text = pattern.rstrip("\r\n")
    text = text if text.endswith("\\ ") else text.rstrip(" ")
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    anchored = "/" in text
    start = "" if anchored else "(?:.*/)?"
    return _Rule(re.compile(start + _expression(text.removeprefix("/")), re.DOTALL), negated, folders_only)


def _expression(glob: str) -> str:
    """A regular expression for a glob."""
    found, at = "", 0
    while at < len(glob):
        piece, at = _piece(glob, at)
        found += piece
    return found


def _piece(glob: str, at: int) -> tuple[str, int]:
    """The expression of what stands at ``at``, and where the rest begins."""
    if glob.startswith("**", at) and (at == 0 or glob[at - 1] == "/"):
        if at + 2 == len(glob):
            return ".*", at + 2
        if glob[at + 2] == "/":
            return "(?:.*/)?", at + 3
    char = glob[at]
    if char in _WILDCARDS:
        return _WILDCARDS[char], at + 1
    if char == "[" and (end := glob.find("]", at + 2)) > 0:
        return _set(glob[at + 1 : end]), end + 1
    at += char == "\\" and at + 1 < len(glob)
    return re.escape(glob[at]), at + 1


def _set(inside: str) -> str:
    """The expression of ``[inside]``; it never takes a slash."""
    negated = inside[0] in "!^"
    escaped = inside[negated:].replace("\\", "\\\\").replace("[", "\\[")
    return f"(?!/)[{'^' if negated else ''}{escaped}]"
