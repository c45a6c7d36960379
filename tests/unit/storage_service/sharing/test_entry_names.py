"""Names of files in guests' ZIPs: valid on any file system, no two equal."""

from __future__ import annotations

import pytest

from storage_service.sharing.contents import EntryNames
from strongroom.local_names import MAX_BYTES


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("con.txt", "_con.txt"),
        ('a:b*c?"d".txt', "a_b_c__d_.txt"),
        (".bashrc", "_bashrc"),
        ("gpj.\u202eexe", "gpj._exe"),
        ("trailing. ", "trailing"),
        ("a\nb\x00c.txt", "a_b_c.txt"),
        ("", "file"),
        ("...", "file"),
    ],
)
def test_a_name_can_be_unpacked_anywhere(given: str, name: str) -> None:
    assert EntryNames().free(given) == name


def test_a_long_one_keeps_its_extension() -> None:
    name = EntryNames().free("ä" * 300 + ".jpeg")
    assert len(name.encode()) <= MAX_BYTES
    assert name.endswith(".jpeg")


def test_no_two_are_alike() -> None:
    names = EntryNames()
    given = ["a.txt", "A.TXT", "a (2).txt", "a.txt", "a:txt", "a?txt"]
    free = [names.free(name) for name in given]
    assert len({name.casefold() for name in free}) == len(given)
