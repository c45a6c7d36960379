"""Patterns as in .gitignore, and the remaining tree."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from strongroom.client.project_trees import DEFAULT_IGNORE, Ignore, blocks_of, read_tree


@pytest.mark.parametrize(
    ("pattern", "path", "left_out"),
    [
        ("*.log", "a.log", True),
        ("*.log", "x/y/a.log", True),
        ("*.log", "a.logs", False),
        ("/a", "a", True),
        ("/a", "x/a", False),
        ("x/*.py", "x/a.py", True),
        ("x/*.py", "x/y/a.py", False),
        ("x/*.py", "z/x/a.py", False),
        ("x/**", "x/y/z", True),
        ("**/a", "x/y/a", True),
        ("**/a", "a", True),
        ("x/**/a", "x/a", True),
        ("x/**/a", "x/y/z/a", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab]", "b", True),
        ("[!ab]", "b", False),
        ("[!ab]", "/", False),
        ("[a-c].x", "b.x", True),
        ("a.b", "axb", False),
        ("\\#a", "#a", True),
        ("#a", "#a", False),
        ("", "", False),
        ("a  ", "a", True),
        ("build/", "build", False),
    ],
)
def test_patterns(pattern: str, path: str, left_out: bool) -> None:
    assert Ignore([pattern]).leaves_out(path, folder=False) is left_out


def test_the_last_pattern_decides() -> None:
    ignore = Ignore(["*.log", "!keep.log"])
    assert ignore.leaves_out("a.log", folder=False)
    assert not ignore.leaves_out("keep.log", folder=False)


def test_a_tree(tmp_path: Path) -> None:
    for path in ("b", "a/c", ".git/x", "a/node_modules/y", "e\u0301"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    (tmp_path / "link").symlink_to("b")
    (tmp_path / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "pipe")
    tree = read_tree(tmp_path, Ignore(DEFAULT_IGNORE))
    assert [file.path for file in tree.files] == ["a/c", "b", "\u00e9"]
    assert [path.name for path in tree.skipped] == ["link", "loop", "pipe"]
    first = tree.files[0]
    assert (first.size, first.sha256) == (3, hashlib.sha256(b"a/c").digest())
    (tmp_path / "a/c").write_bytes(b"longer than it was")
    assert b"".join(blocks_of(first)) == b"lon"


def test_two_names_that_are_one(tmp_path: Path) -> None:
    for name in ("e\u0301", "\u00e9"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="one name in NFC"):
        read_tree(tmp_path, Ignore(()))


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_tree(tmp_path, Ignore(()))


def test_a_file_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        read_tree(tmp_path / "a", Ignore(()))
