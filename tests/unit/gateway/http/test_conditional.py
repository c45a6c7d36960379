"""Conditional requests: RFC 9110 section 13."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.conditional import Outcome, Validators, evaluate, matches, range_applies

MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VALIDATORS = Validators("abc", MODIFIED)
SAME, BEFORE, AFTER = (
    "Fri, 02 Jan 2026 03:04:05 GMT",
    "Thu, 01 Jan 2026 00:00:00 GMT",
    "Sat, 03 Jan 2026 00:00:00 GMT",
)


def outcome(**headers: str) -> Outcome:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return evaluate(names.get, VALIDATORS)


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, Outcome.PROCEED),
        ({"if_none_match": '"abc"'}, Outcome.NOT_MODIFIED),
        ({"if_none_match": 'W/"abc"'}, Outcome.NOT_MODIFIED),
        ({"if_none_match": "*"}, Outcome.NOT_MODIFIED),
        ({"if_none_match": '"x", "abc"'}, Outcome.NOT_MODIFIED),
        ({"if_none_match": '"x"'}, Outcome.PROCEED),
        ({"if_modified_since": SAME}, Outcome.NOT_MODIFIED),
        ({"if_modified_since": AFTER}, Outcome.NOT_MODIFIED),
        ({"if_modified_since": BEFORE}, Outcome.PROCEED),
        ({"if_modified_since": "yesterday"}, Outcome.PROCEED),
        ({"if_match": '"abc"'}, Outcome.PROCEED),
        ({"if_match": "*"}, Outcome.PROCEED),
        ({"if_match": 'W/"abc"'}, Outcome.FAILED),
        ({"if_match": '"x"'}, Outcome.FAILED),
        ({"if_unmodified_since": SAME}, Outcome.PROCEED),
        ({"if_unmodified_since": BEFORE}, Outcome.FAILED),
    ],
)
def test_each_condition(headers: dict[str, str], wanted: Outcome) -> None:
    assert outcome(**headers) is wanted


def test_order_of_precedence() -> None:
    assert outcome(if_match='"x"', if_none_match='"abc"') is Outcome.FAILED
    assert outcome(if_match='"abc"', if_unmodified_since=BEFORE) is Outcome.PROCEED
    assert outcome(if_none_match='"x"', if_modified_since=SAME) is Outcome.PROCEED
    assert outcome(if_unmodified_since=BEFORE, if_none_match='"abc"') is Outcome.FAILED


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, True),
        ('"abc"', True),
        ('W/"abc"', False),
        ('"x"', False),
        (SAME, False),
        (AFTER, False),
        (BEFORE, False),
        ("nonsense", False),
    ],
)
def test_if_range(value: str | None, wanted: bool) -> None:
    assert range_applies(value, VALIDATORS) is wanted


def test_tags_may_hold_commas_and_spaces_around() -> None:
    assert matches(' "a,b" ,\t"c"', "a,b", weak=False)
    assert matches('"x","c"', "c", weak=False)
    assert not matches('"x" "c"', "c", weak=False)
    assert not matches("abc", "abc", weak=True)


@given(st.text(max_size=60))
def test_any_text_is_decided(text: str) -> None:
    assert matches(text, "abc", weak=True) in {True, False}
    assert range_applies(text, VALIDATORS) in {True, False}
    assert outcome(if_modified_since=text) in set(Outcome)


@pytest.mark.parametrize(
    "text", ["Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "0" * 100]
)
def test_dates_at_the_edge_of_time(text: str) -> None:
    assert outcome(if_modified_since=text) in set(Outcome)


def test_validators_in_headers() -> None:
    assert VALIDATORS.etag_header == '"abc"'
    assert VALIDATORS.modified_header == SAME
    assert Validators('a"b', MODIFIED).etag_header == ""
    assert Validators("a\r\nb", MODIFIED).etag_header == ""
