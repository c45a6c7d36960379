"""Times of filters in queries."""

from __future__ import annotations

import pytest

from gateway.operations.filters import _moment
from strongroom.errors import InvalidField


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02", 1_767_312_000),
        ("2026-01-02T03:04:05Z", 1_767_323_045),
        ("2026-01-02T03:04:05 02:00", 1_767_315_845),
        ("2026-01-02t03:04:05z", 1_767_323_045),
        ("2026-01-02t03:04:05 02:00", 1_767_315_845),
        ("2026-01-02T03:04:05.123456789Z", 1_767_323_045),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
    ],
)
def test_times(text: str, seconds: int) -> None:
    assert _moment("created_after", text).seconds == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2026-13-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-02T25:00:00Z",
        "2026-W01",
        "20260102",
        "20260102T030405Z",
        "1767312000",
    ],
)
def test_times_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        _moment("created_before", text)
    assert refusal.value.field == "created_before"
