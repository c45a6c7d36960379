"""Migrations merged in parallel: unique numbers, one line of revisions."""

from __future__ import annotations

import re
from pathlib import Path

from metadata_service.db.migrations import REVISIONS

_TOLD = re.compile(r'^(revision|down_revision)\b[^=]*= (?:"(\d{4})"|None)', re.MULTILINE)
VERSIONS = Path(__file__).resolve().parents[3] / "metadata_service" / "db" / "migrations" / "versions"


def test_revisions_follow_each_other_as_their_files_are_numbered() -> None:
    texts = {path.name[:4]: path.read_text("utf-8") for path in sorted(VERSIONS.glob("[0-9]*.py"))}
    found = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
    assert found == list(REVISIONS)
    for number, before in zip(REVISIONS, (None, *REVISIONS[:-1]), strict=True):
        told = dict(_TOLD.findall(texts[number]))
        assert (told["revision"], told.get("down_revision") or None) == (number, before)
