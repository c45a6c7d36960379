"""Release notes: the section of CHANGELOG.md, with links that work outside the repository."""

from __future__ import annotations

import re
from typing import Final

HOME: Final = "https://github.com/strongroom/strongroom/blob"
_SECTION = re.compile(r"^## \[(?P<name>[^\]]+)\].*?$(?P<text>.*?)(?=^## \[|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def of_version(changelog: str, version: str) -> str:
    """The section of a version, or else of unreleased changes.

    :raises SystemExit: there is neither.
    """
    sections = {found["name"].lower(): found["text"] for found in _SECTION.finditer(changelog)}
    text = sections.get(version, sections.get("unreleased", "")).strip()
    if not text:
        raise SystemExit(f"CHANGELOG.md says nothing of {version}")
    return f"# Strongroom {version}\n\n" + _LINK.sub(rf"]({HOME}/v{version}/\1)", text) + "\n"
