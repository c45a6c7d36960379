"""The reference of settings, from ``.env.example``, which a test compares with the settings classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.docs.text import code, page, table

INTRODUCTION: Final = """Environment variables, as in [.env.example](../../.env.example), which a test
compares with what the services read. An empty variable counts as not set. S: storage_service,
M: metadata_service, G: gateway. An invalid value stops the process at startup with a line that names the
setting. An unknown name is reported, with the most similar known one."""
_SECTION: Final = re.compile(r"^# --- (.*?) -*$")
_SETTING: Final = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$")


def written(root: Path) -> str:
    """The page as Markdown."""
    return page("Settings", INTRODUCTION, _sections((root / ".env.example").read_text("utf-8").splitlines()))


def _sections(lines: list[str]) -> Iterator[str]:
    """A heading, and a table or text for each section between blank comments."""
    title, notes, rows = "", list[str](), list[tuple[str, str, str]]()
    for line in [*lines, "# --- end -"]:
        if heading := _SECTION.match(line):
            if title:
                yield f"## {title[:1].upper()}{title[1:]}"
                yield table(("variable", "default", "meaning"), rows)
                yield " ".join(notes)
            title, notes, rows = heading[1], [], []
        elif setting := _SETTING.match(line):
            rows.append((code(setting[1]), code(setting[2]), " ".join(notes)))
            notes = []
        elif line.startswith("# "):
            notes.append(line[2:].strip())
