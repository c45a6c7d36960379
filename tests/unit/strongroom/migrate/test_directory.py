"""Files below a folder: found, read as planned or not at all, never outside of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from strongroom.client.uploads import UploadLimit
from strongroom.migrate.entries import Entry
from strongroom.migrate.layouts import Layout
from strongroom.migrate.planning import Placing, planned
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceGone
from strongroom.migrate.sources.directory import Directory
from strongroom.migrate.sources.opening import Where, opened

HOSTILE = [
    "..%2f..%2fetc%2fpasswd",
    "$(touch pwned).txt",
    "; rm -rf *",
    "a'b\"c`d.txt",
    "-rf",
    "new\nline.txt",
    "tab\there",
    "\x1b]0;title\x07.txt",
    "CON",
    "trailing. ",
    "\u202egnp.exe",
    "e\u0301.txt",
    "日本語.txt",
    "👩‍👩‍👧.png",
    "%00.txt",
    "{owner}",
    "=cmd|' -C calc'!A0",
    "a" * 255,
]


def entries(root: Path, placing: Placing, limits: dict[str, UploadLimit] | None = None) -> list[Entry]:
    return list(planned(opened(str(root), placing.family, placing.layout, Where()), placing, limits or {}))


def test_odd_names_are_found_and_read(tmp_path: Path) -> None:
    for number, name in enumerate(HOSTILE):
        (tmp_path / name).write_text(str(number))
    found = entries(tmp_path, Placing(owner="alice"))
    assert {entry.reference for entry in found} == set(HOSTILE)
    assert [entry for entry in found if entry.why] == []
    source = Directory(tmp_path)
    for entry in found:
        assert b"".join(source.read(entry)) == (tmp_path / entry.reference).read_bytes()


def test_as_paths_those_that_no_key_may_hold_are_told(tmp_path: Path) -> None:
    for name in HOSTILE:
        (tmp_path / name).touch()
    refused = {entry.reference for entry in entries(tmp_path, Placing("path", "alice")) if entry.why}
    assert refused == {"new\nline.txt", "tab\there", "\x1b]0;title\x07.txt"}


def test_two_names_that_are_one_path_are_told(tmp_path: Path) -> None:
    for name in ("e\u0301.txt", "\u00e9.txt"):
        (tmp_path / name).touch()
    first, second = entries(tmp_path, Placing("path", "alice"))
    assert (first.key, first.why) == ("\u00e9.txt", "")
    assert second.why == "'e\\u0301.txt' goes to the same place"


def test_what_is_no_regular_file_stays(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"\xff.txt")).touch()
    whys = {entry.reference: entry.why for entry in entries(root, Placing(owner="alice"))}
    assert whys == {
        "link": "it is a link, which is not followed",
        "folder": "it is a link, which is not followed",
        "pipe": "it is no regular file, which is not followed",
        "\\xff.txt": "its name is not UTF-8; rename it",
    }


@pytest.mark.parametrize(
    "reference", ["../secret", "/etc/passwd", "a/../../secret", "", ".", "a//b", "folder/secret", "a\0b"]
)
def test_an_edited_plan_reads_nothing_outside(tmp_path: Path, reference: str) -> None:
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(tmp_path)
    with pytest.raises(PlanProblem, match=r"no path below|through a link"):
        list(Directory(root).read(Entry(reference, "alice", "uploads")))


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        list(Directory(root).read(Entry("a", "alice", "uploads")))


def test_what_has_changed_or_gone_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (entry,) = entries(tmp_path, Placing(owner="alice"))
    (tmp_path / "a").write_text("other")
    with pytest.raises(SourceChanged):
        list(Directory(tmp_path).read(entry))
    (tmp_path / "a").unlink()
    with pytest.raises(SourceGone):
        list(Directory(tmp_path).read(entry))


def test_what_changes_while_it_is_read_is_told_after_the_last_piece(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3 << 20))
    (entry,) = entries(tmp_path, Placing(owner="alice"))
    pieces = Directory(tmp_path).read(entry)
    next(pieces)
    os.utime(tmp_path / "a", ns=(1, 1))
    with pytest.raises(SourceChanged):
        list(pieces)


def test_only_the_same_bytes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (entry,) = entries(tmp_path, Placing(owner="alice"))
    source = Directory(tmp_path)
    with pytest.raises(SourceChanged):
        source.remove(entry, hashlib.sha256(b"two").digest())
    source.remove(entry, hashlib.sha256(b"one").digest())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceGone):
        source.remove(entry, hashlib.sha256(b"one").digest())


def test_owners_and_kinds_of_the_path(tmp_path: Path) -> None:
    for path in ("u1/text-to-image/2025-10-01-abc.png", "u2/painting/x.png", "stray.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = entries(tmp_path, Placing("generation", layout=Layout.of("{owner}/{kind}/{name}")))
    assert [(one.owner, one.key, one.name, one.why) for one in found] == [
        ("", "", "stray.png", "it is not laid out as {owner}/{kind}/{name}"),
        ("u1", "text-to-image", "2025-10-01-abc.png", ""),
        ("u2", "painting", "x.png", found[2].why),
    ]
    assert "is none of text-to-image" in found[2].why


def test_each_folder_of_projects_is_one_save(tmp_path: Path) -> None:
    for path in (
        "anna/My Site/index.html",
        "anna/My Site/.git/HEAD",
        "anna/My Site/css/a.css",
        "ben/app/x",
        "ben/note",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("12345")
    found = entries(tmp_path, Placing("project", layout=Layout.of("{owner}/{slug}/{path}")))
    assert [(one.owner, one.key, one.size, one.details.get("files"), one.why) for one in found] == [
        ("anna", "my-site", 10, 2, ""),
        ("ben", "app", 5, 1, ""),
        ("", found[2].key, 5, None, "it is in none of the projects"),
    ]
    source = opened(str(tmp_path), "project", Layout.of("{owner}/{slug}/{path}"), Where())
    with source.folder(found[0]) as folder:
        assert folder == tmp_path / "anna" / "My Site"
    (tmp_path / "anna/My Site/css/a.css").write_text("changed")
    with pytest.raises(SourceChanged), source.folder(found[0]):
        pass


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlanProblem, match="is not a folder"):
        Directory(tmp_path / "missing")
    with pytest.raises(PlanProblem, match=r"ends in \{slug\}/\{path\}"):
        opened(str(tmp_path), "project", Layout.of("{owner}/{path}"), Where())
