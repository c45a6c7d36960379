"""A missing package is named with the extra that installs it."""

from __future__ import annotations

import builtins
import importlib
import sys
from pathlib import Path

import pytest

from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.sources.opening import Where, opened


@pytest.mark.parametrize(
    ("missing", "name", "where"),
    [
        ("psycopg", "postgresql://localhost/old", Where(table="t", columns={"id": "id", "bytes": "b"})),
        ("boto3", "s3://old/files", Where()),
    ],
)
def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, name: str, where: Where) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(PlanProblem, match=rf"needs {missing}, .*pip install 'strongroom\[migrate\]'"):
        opened(name, "uploads", None, where)


def test_folders_and_lists_need_neither(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name, *rest: builtins.exec("raise AssertionError"))
    opened(str(tmp_path), "uploads", None, Where()).close()
    (tmp_path / "list.csv").write_text("path\n")
    opened(str(tmp_path / "list.csv"), "uploads", None, Where()).close()
    assert importlib.import_module is not real


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ftp://host/x", "is not a source"),
        ("s3:///x", "names no bucket"),
        ("/no/such/folder", "is not a folder"),
        ("missing.csv", "is not a folder"),
    ],
)
def test_what_is_no_source_is_told(name: str, said: str) -> None:
    with pytest.raises(PlanProblem, match=said):
        opened(name, "uploads", None, Where())
