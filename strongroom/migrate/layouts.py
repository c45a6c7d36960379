"""Reads properties of files from their paths: ``{owner}/{kind}/{name}`` matches
``alice/text-to-image/fox.png``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from strongroom.migrate.problems import PlanProblem

#: Fields that a segment may stand for. ``path`` is the rest of the path and comes last.
FIELDS: Final = ("owner", "kind", "event", "class", "slug", "name", "path")
_PART: Final = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Layout:
    """Segments separated by ``/``: a ``{field}``, ``*`` for any segment, or literal text.

    A segment may contain text around its field: ``user-{owner}``.
    """

    text: str
    pattern: re.Pattern[str]
    fields: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Layout:
        """Parse a layout.

        :raises PlanProblem: it is invalid.
        """
        names = _PART.findall(text)
        unknown = sorted(set(names) - set(FIELDS))
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise PlanProblem(f"--layout knows no {{{unknown[0]}}}; it takes {known} and *")
        if len(names) != len(set(names)):
            raise PlanProblem(f"--layout names a field twice: {text}")
        if "path" in names and not text.endswith("{path}"):
            raise PlanProblem("{path} is the rest of the path: it comes last in --layout")
        if not names:
            raise PlanProblem("--layout names no field; {path} takes the whole path")
        segments = [_segment(segment) for segment in text.strip("/").split("/")]
        return cls(text, re.compile("/".join(segments), re.DOTALL), frozenset(names))

    def read(self, path: str) -> dict[str, str] | None:
        """Return the fields of a path, or None if it doesn't match the layout."""
        found = self.pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    def folder_depth(self) -> int | None:
        """Return the number of segments of a project's folder in a layout ``…{slug}/{path}``; None for
        others.
        """
        segments = self.text.strip("/").split("/")
        return len(segments) - 1 if segments[-1] == "{path}" and "{slug}" in segments[-2:-1] else None


def _segment(text: str) -> str:
    if text == "*":
        return "[^/]+"
    made, end = "", 0
    for found in _PART.finditer(text):
        inner = ".+" if found[1] == "path" else "[^/]+"
        made += re.escape(text[end : found.start()]) + f"(?P<{found[1]}>{inner})"
        end = found.end()
    return made + re.escape(text[end:])
