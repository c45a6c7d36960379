"""The console's libraries are those in its lock, byte for byte."""

from __future__ import annotations

import json
import re

from scripts.vendor_console import LICENSED, RECIPE, RECORD, SOURCES, TARGET, hashes


def test_vendored_files_are_as_they_were_written() -> None:
    assert hashes(TARGET) == json.loads(RECORD.read_text("utf-8"))
    assert set(hashes(TARGET)) == {*SOURCES, "LICENSES.txt"}


def test_versions_are_exact_and_locked_by_hash() -> None:
    wanted = json.loads((RECIPE / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((RECIPE / "package-lock.json").read_text("utf-8"))["packages"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in package for path, package in locked.items() if path)


def test_each_licence_is_shipped() -> None:
    locked = json.loads((RECIPE / "package-lock.json").read_text("utf-8"))["packages"]
    text = (TARGET / "LICENSES.txt").read_text("utf-8")
    for name in LICENSED:
        assert f"{name} {locked[f'node_modules/{name}']['version']} (" in text
