"""The first of many: no more is requested, and the source is closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from strongroom.cli.tally import first


@pytest.mark.parametrize(
    ("limit", "got"),
    [(1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4]), (None, [0, 1, 2, 3, 4])],
)
async def test_so_many_and_no_more(limit: int | None, got: list[int]) -> None:
    asked: list[int] = []
    closed: list[bool] = []

    async def five() -> AsyncGenerator[int]:
        try:
            for number in range(5):
                asked.append(number)
                yield number
        finally:
            closed.append(True)

    assert [number async for number in first(five(), limit)] == got
    assert asked == got
    assert closed == [True]
