"""Retention requested in an upload's form fields."""

from __future__ import annotations

import pytest

from gateway.upstream.wishes import retention_of
from strongroom.errors import InvalidField


def test_nothing_is_asked_for_by_empty_fields() -> None:
    assert retention_of({}) is None
    assert retention_of({"keep_until": "", "keep_for_seconds": "", "hold_reason": " ", "x": "y"}) is None


@pytest.mark.parametrize(
    "text", ["2033-01-02T03:04:05Z", "2033-01-02T05:04:05+02:00", "2033-01-02t03:04:05z"]
)
def test_moments_have_an_offset(text: str) -> None:
    wish = retention_of({"keep_until": text, "delete_after": text})
    assert wish is not None
    assert wish.keep_until_time.seconds == wish.delete_after_time.seconds == 1_988_247_845


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keep_until", "tomorrow"),
        ("keep_until", "2033-01-02"),
        ("keep_until", "20330102T030405Z"),
        ("keep_until", "2033-01-02T03:04:05"),
        ("delete_after", "0001-01-01T00:00:00+23:59"),
        ("delete_after", "90d"),
        ("keep_for_seconds", "0"),
        ("keep_for_seconds", "-1"),
        ("keep_for_seconds", "1.5"),
        ("keep_for_seconds", "\u0663"),
        ("delete_after_seconds", "3162240001"),
        ("delete_after_seconds", "9" * 30),
        ("hold_reason", "x" * 256),
    ],
)
def test_others_are_named(name: str, text: str) -> None:
    with pytest.raises(InvalidField) as refused:
        retention_of({name: text})
    assert refused.value.metadata["field"] == name
    assert name in refused.value.message
