"""Page tokens and prefixes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.db.paging import PageTokens, page_size
from metadata_service.files.queries import after_prefix
from strongroom.errors import InvalidPageToken

TOKENS = PageTokens(b"secret of sixteen")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(TEXT, max_size=3), TEXT)
def test_a_token_brings_its_position_back(position: list[str], prefix: str) -> None:
    query = ["ListFiles", "ada", prefix, 0, False]
    token = TOKENS.seal(query, position)
    assert token.isascii()
    assert "=" not in token
    assert TOKENS.open(query, token) == position


@given(st.text(max_size=60))
def test_whatever_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        TOKENS.open(["ListFiles"], token)


@given(st.binary(min_size=1, max_size=4), st.integers(0, 40))
def test_a_changed_token_is_refused(noise: bytes, place: int) -> None:
    token = TOKENS.seal(["q"], ["uploads/ada/x"])
    place %= len(token)
    changed = token[:place] + chr(97 + noise[0] % 26) + token[place + 1 :]
    if changed != token:
        with pytest.raises(InvalidPageToken):
            TOKENS.open(["q"], changed)


def test_a_token_is_bound_to_query_and_deployment() -> None:
    token = TOKENS.seal(["ListFiles", "ada", ""], ["k"])
    with pytest.raises(InvalidPageToken):
        TOKENS.open(["ListFiles", "bob", ""], token)
    with pytest.raises(InvalidPageToken):
        PageTokens(b"another").open(["ListFiles", "ada", ""], token)


@pytest.mark.parametrize(("wanted", "size"), [(0, 100), (1, 1), (1000, 1000), (1001, 1000)])
def test_sizes(wanted: int, size: int) -> None:
    assert page_size(wanted, default=100, largest=1000) == size


@pytest.mark.parametrize(
    ("prefix", "after"),
    [
        ("", ""),
        ("a", "b"),
        ("a/", "a0"),
        ("é", "ê"),
        ("\ud7ff", "\ue000"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", ""),
    ],
)
def test_the_end_of_a_prefix(prefix: str, after: str) -> None:
    assert after_prefix(prefix) == after


@given(TEXT, TEXT)
def test_the_end_of_a_prefix_is_exact(prefix: str, text: str) -> None:
    after = after_prefix(prefix)
    inside = text.encode() >= prefix.encode() and (not after or text.encode() < after.encode())
    assert inside == text.startswith(prefix)
