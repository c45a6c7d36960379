"""Folders on the command line: two names for one path, broken links, endless folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.client.async_client import AsyncClient
from strongroom.client.project_trees import Ignore, read_tree
from tests.integration.sdk.fakes.state import State
from tests.integration.sdk.shell import Shell

#: Deeper than Python's recursion limit.
DEEP = 1100


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, names: dict[str, str]) -> None:
    """Write files below ``folder``, by name."""
    for name, text in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("sources", [("a/x", "b/x"), ("-r", "a", "b")])
def test_put_replaces_nothing_that_it_has_just_stored(
    shell: Shell, here: Path, state: State, sources: tuple[str, ...]
) -> None:
    written(here, {"a/x": "one", "b/x": "two"})
    done = shell("put", *sources, "--path", "www/")
    assert (done.exit_code, done.lines) == (6, ["paths/alice/www/x"])
    assert "b/x: would replace a/x, which goes to the same path, www/x" in done.err
    assert [stored.data for stored in state.stored.values()] == [b"one"]
    assert shell("put", *sources).exit_code == 0  # without a path each gets a key of its own


@pytest.mark.parametrize(
    ("one", "other"), [("e\u0301.txt", "\u00e9.txt"), (os.fsdecode(b"\xfe.txt"), os.fsdecode(b"\xff.txt"))]
)
def test_names_that_become_one_path_are_told(
    shell: Shell, here: Path, state: State, one: str, other: str
) -> None:
    written(here, {f"site/{one}": "one", f"site/{other}": "two", "site/z": "three"})
    done = shell("put", "-r", "site", "--path", "www")
    assert (done.exit_code, len(done.lines), len(state.stored)) == (6, 2, 2)


def test_what_leads_nowhere_is_told_and_the_rest_is_stored(shell: Shell, here: Path) -> None:
    written(here, {"site/a": "a", "site/b/c": "c"})
    (here / "site" / "away").symlink_to("nowhere")
    (here / "site" / "round").symlink_to(here / "site")
    done = shell("put", "-r", "site", "--path", "www")
    assert (done.exit_code, done.lines) == (9, ["paths/alice/www/a", "paths/alice/www/b/c"])
    assert done.err.splitlines() == [
        "strongroom: site/away: No such file or directory",
        "left out, a link to a folder or no file: site/round",
    ]


def test_what_is_no_file_is_told_and_left_out(shell: Shell, here: Path) -> None:
    written(here, {"site/a": "a"})
    os.mkfifo(here / "site" / "pipe")
    for command in (("put", "-r", "site"), ("sync", "site", "www", "--apply")):
        done = shell(*command)
        assert done.exit_code == 0
        assert "left out, a link to a folder or no file: site/pipe" in done.err.splitlines()
        assert shell(*command, "-q").err == ""


@pytest.fixture
def deep(here: Path) -> Iterator[Path]:
    """A folder with a file, and another file far below it. It removes itself, because the removal of
    temporary folders is recursive.
    """
    written(here, {"site/a": "a"})
    inside = os.open("site", os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=inside)
        inside = _instead(inside, "d")
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
    try:
        yield here / "site"
    finally:
        os.unlink("f", dir_fd=inside)
        for _ in range(DEEP):
            inside = _instead(inside, "..")
            os.rmdir("d", dir_fd=inside)
        os.close(inside)


def _instead(folder: int, name: str) -> int:
    """Open another folder, relative to an open one, which is closed."""
    opened = os.open(name, os.O_RDONLY, dir_fd=folder)
    os.close(folder)
    return opened


def test_folders_may_be_deeper_than_python_calls_itself(shell: Shell, deep: Path, state: State) -> None:
    assert shell("put", "-r", "site").exit_code == 0
    assert len(state.stored) == 2
    assert len(read_tree(deep, Ignore(())).files) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("put", "-r", "", "--path", "www"),
        ("put", "a", ""),
        ("sync", "", "www"),
        ("sync", ".", "", "--apply", "--delete"),
        ("project", "save", "", "--slug", "s"),
        ("project", "restore", "s", ""),
        ("rm", "-r", ""),
        ("cp", "a", ""),
        ("mv", "a", ""),
        ("export", "-o", ""),
        ("admin", "user", "export", "", "-o", "all.zip"),
        ("admin", "user", "erase", "", "--yes"),
        ("admin", "quota", "set", "", "--files", "none", "--yes"),
        ("--for-user", "", "ls"),
        ("ls", "--for-user", ""),
    ],
)
def test_an_empty_name_is_a_mistake(shell: Shell, here: Path, state: State, command: tuple[str, ...]) -> None:
    written(here, {"a": "a"})
    done = shell(*command)
    assert (done.exit_code, done.out, state.stored) == (2, "", {})
    assert "is empty" in done.err


def test_nobody_is_no_user_to_act_for(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match="needs a user"):
        client.acting_for("")
