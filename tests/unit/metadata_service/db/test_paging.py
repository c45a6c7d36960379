"""Page tokens and prefixes."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.db.paging import LARGEST_PAGE_BYTES, PageTokens, fit_in, fitting, page_size
from metadata_service.files.queries import after_prefix
from strongroom.errors import InvalidPageToken
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import ListFilesResponse

TOKENS = PageTokens(b"secret of sixteen")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(TEXT, max_size=3), TEXT)
def test_a_token_brings_its_position_back(position: list[str], prefix: str) -> None:
    query = ["ListFiles", "ada", prefix, 0, False]
    token = TOKENS.seal(query, position)
    assert token.isascii()
    assert "=" not in token
    assert TOKENS.open(query, token, parts=len(position)) == position


@given(st.text(max_size=60))
def test_whatever_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        TOKENS.open(["ListFiles"], token, parts=1)


@given(st.binary(min_size=1, max_size=4), st.integers(0, 40))
def test_a_changed_token_is_refused(noise: bytes, place: int) -> None:
    token = TOKENS.seal(["q"], ["uploads/ada/x"])
    place %= len(token)
    changed = token[:place] + chr(97 + noise[0] % 26) + token[place + 1 :]
    if changed != token:
        with pytest.raises(InvalidPageToken):
            TOKENS.open(["q"], changed, parts=1)


def test_a_token_is_bound_to_query_and_deployment() -> None:
    token = TOKENS.seal(["ListFiles", "ada", ""], ["k"])
    with pytest.raises(InvalidPageToken):
        TOKENS.open(["ListFiles", "bob", ""], token, parts=1)
    with pytest.raises(InvalidPageToken):
        PageTokens(b"another").open(["ListFiles", "ada", ""], token, parts=1)
    while_replaced = PageTokens(b"another", b"secret of sixteen")
    assert while_replaced.open(["ListFiles", "ada", ""], token, parts=1) == ["k"]


@pytest.mark.parametrize("position", [[], ["a"], ["a", "b", "c"]])
def test_a_position_of_other_parts_is_refused(position: list[str]) -> None:
    token = TOKENS.seal(["q"], position)
    with pytest.raises(InvalidPageToken):
        TOKENS.open(["q"], token, parts=2)


def test_a_moment_and_an_id_come_back() -> None:
    moment, row_id = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), uuid4()
    for given_id in (row_id, str(row_id)):
        token = TOKENS.seal_moment(["q"], moment, given_id)
        assert TOKENS.open_moment(["q"], token) == (moment, row_id)


@pytest.mark.parametrize(("size", "count"), [(LARGEST_PAGE_BYTES, 1), (1 << 20, 2), (1000, 9)])
def test_a_page_is_what_one_reply_holds(size: int, count: int) -> None:
    rows = [(size,)] * 9
    page = fitting(rows, lambda row: File(key="k" * row[0]))
    assert len(page) == count
    assert fitting([], lambda row: File(key=row[0])) == []


@pytest.mark.parametrize(("size", "count"), [(LARGEST_PAGE_BYTES, 1), (1 << 20, 2), (1000, 9)])
def test_so_is_one_that_is_made_in_the_reply(size: int, count: int) -> None:
    def fill(file: File, row: tuple[int]) -> None:
        file.key = "k" * row[0]

    reply = ListFilesResponse()
    fit_in(reply.files, [(size,)] * 9, fill)
    assert [len(file.key) for file in reply.files] == [size] * count


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
