"""Filters in requests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from metadata_service.servicers.filters import filter_of
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import FileFilter


@pytest.mark.parametrize("name", ["created_after", "created_before"])
@pytest.mark.parametrize("seconds", [10**15, -(10**15), 253_402_300_800, -62_135_596_801, 2**63 - 1])
def test_times_outside_of_the_calendar_are_refused(name: str, seconds: int) -> None:
    wanted = FileFilter()
    getattr(wanted, name).seconds = seconds
    with pytest.raises(InvalidField) as refusal:
        filter_of(wanted)
    assert refusal.value.field == f"filter.{name}"


def test_times_are_utc() -> None:
    wanted = FileFilter()
    wanted.created_after.seconds = 86400
    assert filter_of(wanted).created_after == datetime(1970, 1, 2, tzinfo=UTC)
