"""docs/admin.md names each act of the audit log, and no other."""

from __future__ import annotations

import re
from typing import Final

from tests.stack import CHECKOUT

#: An act is named where it is written down: `Act("…", `, `held("…", `, `note("…", `,
#: `note_act(tx, owner, "…", `, `_write(tx, "…", `.
_WRITTEN: Final = re.compile(
    r'\b(?:Act|note|held|note_act|_write)\((?:[^"()]|\(\))*?(?<!=)"([a-z]+(?:_[a-z]+)*)"'
)
_CONSTANT: Final = re.compile(r'^ACT: Final = "([a-z_]+)"', re.MULTILINE)
#: Named by how it was asked for.
_CHOSEN: Final = {"retry_attempts", "requeue_attempts"}


def test_the_document_has_each_act() -> None:
    code = [
        path.read_text()
        for package in ("metadata_service", "storage_service")
        for path in sorted((CHECKOUT / package).rglob("*.py"))
    ]
    acts = {act for text in code for pattern in (_WRITTEN, _CONSTANT) for act in pattern.findall(text)}
    assert all(any(f'"{act}"' in text for text in code) for act in _CHOSEN)
    told = (CHECKOUT / "docs/admin.md").read_text().partition("## Acts")[2]
    rows = [line.split("|")[1] for line in told.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(acts | _CHOSEN)
    assert len(acts) > 15
