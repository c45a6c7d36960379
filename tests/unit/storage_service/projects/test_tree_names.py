"""Names that some system takes for others, at any place in a path."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.projects.tree_names import NameRefused, PathSet, check_portable, folded
from tests.unit.storage_service.projects.hostile_names import CLASHES, HONEST, KINDS

CASES = [(rule, name) for rule, names in KINDS.items() for name in names]


@pytest.mark.parametrize("around", ["{}", "{}/a.txt", "a/{}", "a/b.c/{}/d/e.txt"])
@pytest.mark.parametrize(("rule", "name"), CASES)
def test_names_that_are_refused_at_any_depth(rule: str, name: str, around: str) -> None:
    with pytest.raises(NameRefused) as caught:
        check_portable(unicodedata.normalize("NFC", around.format(name)))
    assert caught.value.rule == rule


@pytest.mark.parametrize("path", ["./a", "../a", "a/./b", "a/../b", ".", "..", "a/.."])
def test_dots_are_told_as_such(path: str) -> None:
    """The ZIP reader checks dots first, with messages of its own."""
    with pytest.raises(NameRefused) as caught:
        check_portable(path)
    assert caught.value.rule == "dot_segment"


@pytest.mark.parametrize("name", HONEST)
def test_names_that_are_taken(name: str) -> None:
    check_portable(name)
    check_portable(f"deep/{name}/{name}")


@pytest.mark.parametrize(("rule", "one", "other"), CLASHES)
@pytest.mark.parametrize("others", [[], [f"m{number}/x.txt" for number in range(20)] + ["A0", "z"]])
def test_paths_that_clash(rule: str, one: str, other: str, others: list[str]) -> None:
    for paths in ([one, *others, other], [other, one, *others], [*others, one, other]):
        with pytest.raises(NameRefused) as caught:
            _tree(paths)
        assert caught.value.rule == rule


def _tree(paths: list[str]) -> None:
    tree = PathSet()
    for path in paths:
        tree.add(path.removesuffix("/"), is_folder=path.endswith("/"))


def test_paths_that_do_not_clash() -> None:
    tree = PathSet()
    for path in ("a/b", "a/c", "ab", "a.b", "a b", "a-b/c", "b", "B2", "stra\u00dfe", "\u212bngstrom/x"):
        tree.add(unicodedata.normalize("NFC", path))
    for folder in ("a", "a/d", "empty"):
        tree.add(folder, is_folder=True)


@given(
    st.lists(st.lists(st.sampled_from(["a", "A", "b", "b.", "a\u200d"]), min_size=1, max_size=4), max_size=8)
)
def test_neighbours_tell_every_clash(paths: list[list[str]]) -> None:
    """The result is compared with the simple method, which spells every folder of every path."""
    tree, spelled, files, folders, clash = PathSet(), dict[str, str](), set[str](), set[str](), False
    for segments in paths:
        path = "/".join(segments)
        ways = ["/".join(segments[:end]) for end in range(1, len(segments) + 1)]
        bad = any(spelled.setdefault(folded(way), way) != way for way in ways)
        bad = bad or path in files or path in folders or bool(files & set(ways[:-1]))
        try:
            tree.add(path)
        except NameRefused:
            clash = True
        assert clash == bad
        if bad:
            return
        files.add(path)
        folders.update(ways[:-1])
