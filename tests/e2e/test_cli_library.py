"""``strongroom trash``, ``cp``, ``mv``, ``search``, ``get -r``, ``rm -r``, ``sync`` against a whole stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.test_cli_nouns import content, good, mistake
from tests.integration.sdk.shell import Shell


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to store."""
    root = tmp_path / "site"
    for path, text in {"index.html": "<h1>1</h1>", "src/ü a.txt": "hello", "src/deep/b.txt": "b"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def lines(shell: Shell, *command: str) -> list[str]:
    return good(shell(*command)).out.splitlines()


def test_the_trash(shell: Shell, site: Path) -> None:
    key, other = lines(shell, "put", str(site / "index.html"), str(site / "src/ü a.txt"))
    lines(shell, "rm", "--soft", key, other)
    listed = lines(shell, "trash", "ls")
    assert [key in listed[1], other in listed[0], len(listed)] == [True, True, 2]
    assert lines(shell, "trash", "ls", "-n", "1") == listed[:1]
    assert lines(shell, "trash", "restore", key) == [key]
    assert lines(shell, "stat", key)
    mistake(shell("trash", "purge", key), 3, "no such file")
    assert lines(shell, "trash", "purge", other) == [other]
    lines(shell, "rm", "--soft", key)
    assert lines(shell, "trash", "purge", "--all")[0].startswith("1 file,")
    assert lines(shell, "trash", "ls") == []
    mistake(shell("trash", "purge"), 2, "--all")


def test_copies_and_moves(shell: Shell, site: Path, user: str) -> None:
    (key,) = lines(shell, "put", str(site / "index.html"), "--meta", "team=a")
    assert lines(shell, "cp", key, "web/") == [f"paths/{user}/web/index.html"]
    assert lines(shell, "cp", key, f"paths/{user}/web/two.html") == [f"paths/{user}/web/two.html"]
    mistake(shell("cp", key, "web/two.html"), 6, "exists already")
    lines(shell, "cp", "--force", key, "web/two.html")
    moved = json.loads(good(shell("mv", "--json", key, "web/three.html")).out)
    assert moved["metadata"]["team"] == "a"
    mistake(shell("stat", key), 3, "no such file")
    mistake(shell("mv", f"paths/{user}/web/two.html", "web/three.html"), 6, "exists already")


def test_edits(shell: Shell, site: Path) -> None:
    (key,) = lines(shell, "put", str(site / "index.html"), "--meta", "team=a", "--meta", "old=1")
    edit = ("edit", key, "--name", "Start page.html", "--meta", "team=b", "--no-meta", "old", "--public")
    assert lines(shell, *edit) == [key]
    (edited,) = good(shell("stat", "--json", key)).documents
    assert [edited["filename"], edited["visibility"], edited["generation"]] == [
        "Start page.html",
        "public",
        2,
    ]
    assert (edited["metadata"]["team"], "old" in edited["metadata"]) == ("b", False)
    mistake(shell("edit", key, "--private", "--expect", "1"), 6, "generation")
    (closed,) = good(shell("edit", "--json", key, "--private", "--expect", "2")).documents
    assert [closed["filename"], closed["visibility"]] == ["Start page.html", "private"]
    mistake(shell("edit", key), 2, "nothing to change")
    mistake(shell("edit", key, "--meta", "a=1", "--no-meta", "a"), 2, "both name a")
    mistake(shell("edit", key, "--name", ""), 5, "name")
    mistake(shell("edit", key, "--title", "x"), 5, "event media")
    mistake(shell("edit", "uploads/nobody/none.txt", "--public"), 3, "no such file")


def test_search(shell: Shell, site: Path, user: str) -> None:
    lines(shell, "put", "-r", str(site), "--path", "web")
    found = lines(shell, "search", "ü a", "--type", "text/*")
    assert [line.count("src/ü a.txt") for line in found] == [1]
    assert len(lines(shell, "find", "--max-size", "5")) == 2
    assert lines(shell, "search", "hello world") == []
    assert lines(shell, "search", "--before", "2020-01-01") == []
    assert len(lines(shell, "search", "web", "-n", "1")) == 1
    mistake(shell("search", "--after", "yesterday"), 2, "is not a time")


def test_folders(shell: Shell, site: Path, user: str, tmp_path: Path) -> None:
    lines(shell, "put", "-r", str(site), "--path", "web")
    here = tmp_path / "here"
    assert len(lines(shell, "get", "-r", f"paths/{user}/web", str(here))) == 3
    assert content(here) == content(site)
    assert shell("get", "-r", f"paths/{user}/web", str(here)).exit_code == 6  # nothing is overwritten
    lines(shell, "get", "-r", f"paths/{user}/web/", str(here), "--force")
    mistake(shell("get", "-r", f"paths/{user}/none", str(here)), 3, "no such folder")
    gone = lines(shell, "rm", "-r", "--soft", f"paths/{user}/web/src")
    assert "2 files" in gone[0]
    assert len(lines(shell, "ls")) == 1
    assert len(lines(shell, "trash", "ls")) == 2
    mistake(shell("rm", "-r", f"paths/{user}/web/src"), 3, "no such folder")


def test_sync(shell: Shell, site: Path, user: str) -> None:
    planned = lines(shell, "sync", str(site), "web", "--plan")
    assert planned == lines(shell, "sync", str(site), "web")
    assert [line.split()[0] for line in planned] == ["add", "add", "add"]
    assert lines(shell, "ls") == []
    assert lines(shell, "sync", str(site), "web", "--apply") == planned
    assert lines(shell, "sync", str(site), "web", "--apply") == []
    (site / "index.html").write_text("<h1>2</h1>")  # of the same size
    (site / "src/deep/b.txt").unlink()
    (site / "new.txt").write_text("n")
    again = lines(shell, "sync", str(site), "web", "--apply")
    assert [line.split()[0] for line in again] == ["replace", "add"]
    assert len(lines(shell, "ls")) == 4  # nothing is deleted without an option
    extra = lines(shell, "sync", str(site), f"paths/{user}/web/", "--apply", "--delete")
    assert extra == ["delete  web/src/deep/b.txt"]
    assert len(lines(shell, "trash", "ls")) == 1
    mistake(shell("sync", str(site), "web", "--plan", "--apply"), 2, "give one of them")
    mistake(shell("sync", str(site / "none"), "web"), 2, "is not a folder")


def test_sync_deletes_nothing_while_two_names_are_one_path(shell: Shell, site: Path) -> None:
    lines(shell, "sync", str(site), "twins", "--apply")
    (site / "index.html").unlink()
    (site / "e\u0301").write_text("one")
    (site / "\u00e9").write_text("two")
    done = shell("sync", str(site), "twins", "--apply", "--delete")
    assert (done.exit_code, done.out.splitlines()) == (6, ["add     'twins/\u00e9'"])
    assert "goes to the same path" in done.err
    assert "stays, as not all of the folder could be read: twins/index.html" in done.err
