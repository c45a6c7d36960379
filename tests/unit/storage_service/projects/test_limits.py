from __future__ import annotations

import pytest

from storage_service.projects.limits import ProjectLimits
from strongroom.errors import ProjectLimitExceeded, SizeLimitExceeded

LIMITS = ProjectLimits(max_file_bytes=10, max_bytes=100, max_files=3)


def test_at_the_limits() -> None:
    LIMITS.check(files=3, largest=10, total=100)


@pytest.mark.parametrize(
    ("amounts", "error", "told"),
    [
        ({"files": 4, "largest": 0, "total": 0}, ProjectLimitExceeded, {"limit": "3", "rule": "max_files"}),
        (
            {"files": 1, "largest": 0, "total": 101},
            ProjectLimitExceeded,
            {"limit": "100", "rule": "max_bytes"},
        ),
        (
            {"files": 1, "largest": 11, "total": 0},
            SizeLimitExceeded,
            {"limit": "10", "family": "project files"},
        ),
    ],
)
def test_past_a_limit(amounts: dict[str, int], error: type[Exception], told: dict[str, str]) -> None:
    with pytest.raises(error) as caught:
        LIMITS.check(**amounts)
    assert caught.value.metadata == told  # type: ignore[attr-defined]
    assert told["limit"] in str(caught.value)


def test_an_archive_may_be_larger_than_its_content() -> None:
    assert LIMITS.max_archive_bytes > LIMITS.max_bytes
