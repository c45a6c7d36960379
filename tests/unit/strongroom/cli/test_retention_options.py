"""Retention as typed by people, and their mistakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from strongroom.cli.problems import UsageProblem
from strongroom.cli.retention_options import class_of, moment_of, span_of, wish_of
from strongroom.client import RetentionWish


def test_what_was_not_asked_for() -> None:
    assert wish_of() is None
    assert class_of(None) == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90d", timedelta(days=90)),
        ("36H", timedelta(hours=36)),
        ("1h30m", timedelta(minutes=90)),
        (" 7d ", timedelta(days=7)),
        ("45s", timedelta(seconds=45)),
        ("2101-01-31", datetime(2101, 1, 31, tzinfo=UTC)),
        ("2101-01-31T12:00:00Z", datetime(2101, 1, 31, 12, tzinfo=UTC)),
        ("2101-01-31T12:00+02:00", datetime(2101, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_times(text: str, wanted: datetime | timedelta) -> None:
    assert wish_of(keep=text) == RetentionWish(keep=wanted)
    assert wish_of(delete_after=text, hold=" why ") == RetentionWish(delete_after=wanted, hold="why")


#: Times that are none, or have come.
WRONG = [
    *("", "  ", "90", "2101", "21010131", "0d", "90x", "90 d", "d90", "1y", "-5d", "99999999999999d"),
    *("tomorrow", "31.01.2101", "2101/01/31", "01-31-2101", "2101-13-01", "2020-01-31", "1999-01-01T00:00Z"),
]


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("option", ["--keep", "--delete-after"])
def test_mistakes(option: str, text: str) -> None:
    with pytest.raises(UsageProblem) as told:
        wish_of(text) if option == "--keep" else wish_of(delete_after=text)
    assert any(words in str(told.value) for words in ("2027-01-31", "is in the past", "is not a time"))
    assert len(str(told.value)) < 120


def test_a_number_without_a_unit_is_asked_about() -> None:
    """Other options read it as seconds. Here a person means days, or has left out the dashes of a date."""
    with pytest.raises(UsageProblem, match="90d for days"):
        span_of("90")
    assert span_of("2101-01-31") is None
    with pytest.raises(UsageProblem):
        moment_of("next week")


@pytest.mark.parametrize("reason", ["", " ", "\t\n"])
def test_a_hold_has_a_reason(reason: str) -> None:
    with pytest.raises(UsageProblem, match="--hold needs a reason"):
        wish_of(hold=reason)


@pytest.mark.parametrize("text", ["STANDARD_IA", "standard_ia", " Standard-IA "])
def test_classes(text: str) -> None:
    assert class_of(text) == "STANDARD_IA"


def test_no_class() -> None:
    with pytest.raises(UsageProblem, match="STANDARD_IA"):
        class_of(" ")
