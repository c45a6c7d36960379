"""Where a folder's files are stored: below the named folder, through no link."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.cli.get import place_below


def test_below_it(tmp_path: Path) -> None:
    assert place_below(tmp_path, "a/-b c.txt", force=False) == tmp_path / "a" / "-b c.txt"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/../../x", "/etc/x", "a\0b", "./.."])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="is no name of a local file"):
        place_below(tmp_path, name, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_links_that_lead_elsewhere(tmp_path: Path, force: bool) -> None:
    """Also a link whose target does not exist yet: a download follows links, and would create the target."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "folder").symlink_to(tmp_path)
    (inside / "file").symlink_to(tmp_path / "not-there")
    with pytest.raises(OSError, match="leads out of the folder by a link"):
        place_below(inside, "folder/x", force=force)
    with pytest.raises(OSError, match="is a link"):
        place_below(inside, "file", force=force)


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileExistsError):
        place_below(tmp_path, "x", force=False)
    assert place_below(tmp_path, "x", force=True) == tmp_path / "x"
