"""File names and paths chosen by callers."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import InvalidField, PathInvalid
from strongroom.path_rules import clean_filename, normal_path


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("a.txt", "a.txt"),
        (" a ", " a "),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\x.png", "x.png"),
        ("folder/", ""),
        ("..", ""),
        ("a/..", ""),
        (".env", ".env"),
        ("line\nbreak\u202etxt", "line\nbreak\u202etxt"),
        ("", ""),
    ],
)
def test_names_lose_their_folders_and_nothing_else(given_name: str, kept: str) -> None:
    assert clean_filename(given_name) == kept


def test_names_have_a_limit_in_characters() -> None:
    for longest in ("a" * 255, "名" * 251 + ".txt", "😀" * 255):
        assert clean_filename(longest) == longest
    with pytest.raises(InvalidField) as caught:
        clean_filename("é" * 256)
    assert caught.value.field == "filename"
    with pytest.raises(InvalidField):
        clean_filename("a\0")


@given(st.text(max_size=80))
def test_a_clean_name_has_no_folder(name: str) -> None:
    try:
        kept = clean_filename(name)
    except InvalidField:
        return
    assert "/" not in kept
    assert "\\" not in kept
    assert kept not in {".", ".."}
    assert name.endswith(kept)


@pytest.mark.parametrize(
    "path", ["a", "a/b.txt", "src/[id]/page.tsx", "a b/c%20d=e", ".env", "..a/b..", "日本/é"]
)
def test_paths_stay_as_they_are(path: str) -> None:
    assert normal_path(path) == path


def test_paths_are_composed() -> None:
    assert normal_path("e\u0301") == "\u00e9"


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "not_empty"),
        ("/a", "empty_segment"),
        ("a/", "empty_segment"),
        ("a//b", "empty_segment"),
        (".", "dot_segment"),
        ("a/../b", "dot_segment"),
        ("a\\b", "characters"),
        ("a\x00", "characters"),
        ("a\x7f", "characters"),
        ("a\u2028", "characters"),
        ("a\uffff", "characters"),
        ("x" * 1025, "max_bytes"),
        ("\u0958" * 200, "max_bytes"),  # grows when it is composed
    ],
)
def test_paths_that_break_a_rule(path: str, rule: str) -> None:
    with pytest.raises(PathInvalid) as caught:
        normal_path(path)
    assert caught.value.metadata["rule"] == rule
    assert caught.value.metadata["path"].isascii()
    assert caught.value.metadata["path"].isprintable()


@given(st.text(max_size=50))
def test_a_normal_path_is_normal(path: str) -> None:
    try:
        kept = normal_path(path)
    except PathInvalid:
        return
    assert normal_path(kept) == kept == unicodedata.normalize("NFC", path)
