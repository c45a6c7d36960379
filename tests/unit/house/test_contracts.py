"""Everything named in docs/contracts.md exists: routes, settings, commands and tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
import typer

from gateway.operations.openapi import build_document
from gateway.surface import all_operations
from strongroom.cli.app import app
from strongroom.setting_names import NAMES

ROOT: Final = Path(__file__).resolve().parents[3]
_ROW: Final = re.compile(r"\| (?P<promise>[^|]+) \| `(?P<where>[^`]+)` \| `(?P<test>tests/[^`]+)` \|")
TEXT: Final = (ROOT / "docs" / "contracts.md").read_text("utf-8")
ROWS: Final = [found.groupdict() for found in map(_ROW.fullmatch, TEXT.splitlines()) if found]


def _paths() -> dict[str, set[str]]:
    paths = build_document(list(all_operations()))["paths"]
    return {path: {method.upper() for method in methods} for path, methods in paths.items()}


def _commands() -> set[str]:
    found: set[str] = set()

    def walk(command: object, name: str) -> None:
        found.add(name)
        for child, one in getattr(command, "commands", {}).items():
            walk(one, f"{name} {child}")

    walk(typer.main.get_command(app), "strongroom")
    return found


def test_each_application_has_its_promises() -> None:
    assert len(ROWS) == len(re.findall(r"\| `tests/", TEXT)) > 80
    for part in TEXT.split("\n## ")[1:5]:
        assert part.splitlines()[0] in {"Generations", "Files", "Event media", "Projects"}
        assert sum(row["test"] in part for row in ROWS) >= 20


def test_each_route_setting_and_command_exists() -> None:
    paths, commands = _paths(), _commands()
    for row in ROWS:
        where = row["where"]
        method, _, path = where.partition(" ")
        if path.startswith("/"):
            assert method in paths.get(path, set()), where
        elif where.startswith("strongroom "):
            assert where in commands, where
        else:
            assert where in NAMES, where


@pytest.mark.parametrize("test", sorted({row["test"] for row in ROWS}))
def test_each_test_exists(test: str) -> None:
    name, _, function = test.partition("::")
    text = (ROOT / name).read_text("utf-8")
    assert re.search(rf"^(async )?def {function}\(", text, re.MULTILINE), test
