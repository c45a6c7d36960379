"""Range headers: RFC 9110 section 14."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.conditional import MAX_OFFSET, ByteRange, content_range, parse_range

SIZES = st.integers(min_value=0, max_value=2**62)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=0-499", ByteRange(0, 500)),
        ("bytes=500-", ByteRange(500, 0)),
        ("bytes=-500", ByteRange(-500, 0)),
        ("BYTES=1-2", ByteRange(1, 2)),
        ("bytes = 1-2", ByteRange(1, 2)),
        ("bytes=,1-2,", ByteRange(1, 2)),
        ("bytes=007-008", ByteRange(7, 2)),
        ("bytes=-0", ByteRange(MAX_OFFSET, 0)),
        ("bytes=-000", ByteRange(MAX_OFFSET, 0)),
    ],
)
def test_one_range(value: str, wanted: ByteRange) -> None:
    assert parse_range(value) == wanted


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-0",
        "bytes=0-1,5-6",
        "bytes=0-1, -5",
        "items=0-1",
        "bytes=0-1;x",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=1.0-2",
        "bytes=--1",
        "bytes=٣-٤",
        "bytes: 0-1",
    ],
)
def test_ignored(value: str | None) -> None:
    assert parse_range(value) is None


def test_long_digit_strings_never_reach_int() -> None:
    assert parse_range(f"bytes={'9' * 5000}-") == ByteRange(MAX_OFFSET, 0)
    assert parse_range(f"bytes=0-{'9' * 5000}") == ByteRange(0, MAX_OFFSET)
    assert parse_range(f"bytes=-{'9' * 5000}") == ByteRange(-MAX_OFFSET, 0)
    assert parse_range(f"bytes={'0' * 5000}1-1") == ByteRange(1, 1)


@given(first=SIZES, last=SIZES)
def test_closed_ranges_mean_what_they_say(first: int, last: int) -> None:
    found = parse_range(f"bytes={first}-{last}")
    if last < first:
        assert found is None
    elif last < 10**18:
        assert found == ByteRange(first, last - first + 1)


@given(st.text(max_size=40))
def test_any_text_is_read_or_ignored(text: str) -> None:
    found = parse_range(text)
    assert found is None or (abs(found.offset) <= MAX_OFFSET and 0 <= found.limit <= MAX_OFFSET)


def test_content_range() -> None:
    assert content_range(0, 1, 10) == "bytes 0-0/10"
    assert content_range(5, 5, 10) == "bytes 5-9/10"
