"""Partial files: found again, never shared, never left behind."""

from __future__ import annotations

from pathlib import Path

import google_crc32c

from strongroom.client.partials import PartialFile, remove_leftovers


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_left_is_found_again_with_its_checksum(tmp_path: Path) -> None:
    destination = tmp_path / "a.bin"
    partial = PartialFile.open(destination, "content 1")
    partial.write([b"abc", b"def"])
    partial.leave(keep=True)
    again = PartialFile.open(destination, "content 1")
    assert (again.size, again.crc32c) == (6, google_crc32c.value(b"abcdef"))
    again.write([b"g"])
    again.finish()
    assert destination.read_bytes() == b"abcdefg"
    assert names(tmp_path) == ["a.bin"]
    again.leave(keep=True)
    assert names(tmp_path) == ["a.bin"]


def test_other_content_begins_anew(tmp_path: Path) -> None:
    first = PartialFile.open(tmp_path / "a", "content 1")
    first.write([b"abc"])
    first.leave(keep=True)
    other = PartialFile.open(tmp_path / "a", "content 2")
    assert other.size == 0
    other.leave(keep=True)
    assert len(names(tmp_path)) == 1


def test_two_writers_never_share_a_file(tmp_path: Path) -> None:
    one = PartialFile.open(tmp_path / "a", "same")
    two = PartialFile.open(tmp_path / "a", "same")
    one.write([b"1" * 10])
    two.write([b"2" * 20])
    one.finish()
    assert (tmp_path / "a").read_bytes() == b"1" * 10
    two.finish()
    assert (tmp_path / "a").read_bytes() == b"2" * 20
    assert names(tmp_path) == ["a"]


def test_restart_forgets(tmp_path: Path) -> None:
    partial = PartialFile.open(tmp_path / "a", "same")
    partial.write([b"damaged"])
    partial.restart()
    partial.write([b"ok"])
    assert (partial.size, partial.crc32c) == (2, google_crc32c.value(b"ok"))
    partial.finish()
    assert (tmp_path / "a").read_bytes() == b"ok"


def test_nothing_is_kept_of_nothing_or_when_not_wanted(tmp_path: Path) -> None:
    PartialFile.open(tmp_path / "a", "same").leave(keep=True)
    unwanted = PartialFile.open(tmp_path / "a", "same")
    unwanted.write([b"x"])
    unwanted.leave(keep=False)
    assert names(tmp_path) == []


def test_leftovers_of_this_destination_go_and_others_stay(tmp_path: Path) -> None:
    for destination in ("a", "a.b"):
        partial = PartialFile.open(tmp_path / destination, "old")
        partial.write([b"x"])
        partial.leave(keep=True)
    (tmp_path / ".a.part").write_bytes(b"somebody else's")
    in_use = PartialFile.open(tmp_path / "a", "in use")
    before = set(names(tmp_path))
    remove_leftovers(tmp_path / "a")
    gone = before - set(names(tmp_path))
    assert len(gone) == 1
    assert next(iter(gone)).startswith(".a.")
    assert not next(iter(gone)).startswith(".a.b.")
    in_use.leave(keep=False)


def test_long_names_fit_the_file_system(tmp_path: Path) -> None:
    destination = tmp_path / ("é" * 120)
    partial = PartialFile.open(destination, "x")
    partial.write([b"x"])
    partial.finish()
    assert destination.read_bytes() == b"x"
