"""read_offset and read_limit on objects of any size (RFC 9110 14.1.2)."""

from __future__ import annotations

import pytest

from storage_service.reading.downloads import Range, resolve_range
from strongroom import errors


@pytest.mark.parametrize(
    ("offset", "limit", "size", "expected"),
    [
        (0, 0, 10, Range(0, 10)),
        (0, 0, 0, Range(0, 0)),
        (3, 0, 10, Range(3, 7)),
        (3, 4, 10, Range(3, 4)),
        (3, 400, 10, Range(3, 7)),
        (9, 1, 10, Range(9, 1)),
        (-4, 0, 10, Range(6, 4)),
        (-400, 0, 10, Range(0, 10)),
    ],
)
def test_ranges(offset: int, limit: int, size: int, expected: Range) -> None:
    assert resolve_range(offset, limit, size) == expected


@pytest.mark.parametrize(("offset", "limit", "size"), [(10, 0, 10), (11, 5, 10), (0, 1, 0), (-1, 0, 0)])
def test_ranges_without_a_byte(offset: int, limit: int, size: int) -> None:
    with pytest.raises(errors.RangeNotSatisfiable) as refused:
        resolve_range(offset, limit, size)
    assert refused.value.metadata["size"] == str(size)


def test_a_suffix_has_no_limit() -> None:
    with pytest.raises(errors.InvalidField):
        resolve_range(-5, 3, 10)
